(** A match between a resting order and an incoming one. *)

type t = {
  maker : Order.id;  (** The order that rested in the book. *)
  taker : Order.id;  (** The order that came in. *)
  taker_side : Side.t;  (** The side of the taker. *)
  price : Price.t;  (** The maker's price. *)
  quantity : int;
}

val notional : t -> int
(** Price times quantity, in ticks. *)

val pp : Format.formatter -> t -> unit
