open Market

(** One side of the book: its price levels, best price first. *)

type t

val empty : Side.t -> t
val side : t -> Side.t

val add : t -> Order.t -> t
(** Queues the order behind all others at its price. *)

val best : t -> Level.t option
(** The most aggressive level: highest bid, lowest ask. *)

val levels : t -> Level.t list
(** All levels, the best first. *)

val update : t -> Price.t -> (Level.t -> Level.t option) -> t
(** [update ladder price f] replaces the level at [price], if there is one. *)
