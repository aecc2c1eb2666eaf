(** A limit order as it was accepted by the book. *)

type id = Order_id.t

type validity =
  | Good_till_cancelled  (** The rest waits in the book. *)
  | Immediate_or_cancel  (** The rest is dropped. *)
  | Fill_or_kill  (** All of it trades at once, or nothing does. *)
  | Post_only  (** Refused if any of it would trade at once. *)

type t = {
  id : id;
  side : Side.t;
  price : Price.t;
  quantity : int;  (** Always positive. *)
  validity : validity;
}

val make :
  ?validity:validity ->
  id:id ->
  side:Side.t ->
  price:Price.t ->
  quantity:int ->
  unit ->
  t
(** [validity] is [Good_till_cancelled] unless given.

    @raise Invalid_argument if [quantity] is not positive. *)

val fill : t -> by:int -> t option
(** [fill order ~by] is what is left of [order] after [by] units were traded, or
    [None] when nothing is left.

    @raise Invalid_argument if [by] exceeds the order's quantity. *)

val pp : Format.formatter -> t -> unit
