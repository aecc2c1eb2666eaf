(** The orders resting at one price, oldest first; there is always at least
    one. *)

type t

val singleton : Market.Order.t -> t

val add : Market.Order.t -> t -> t
(** Queues the order behind the others. *)

val price : t -> Market.Price.t

val front : t -> Market.Order.t
(** The oldest order. *)

val remove : Market.Order.id -> t -> t option
(** The level without that order; [None] if it was the last one. *)

val replace : Market.Order.t -> t -> t
(** Puts the order in the place of the one with its id. *)

val orders : t -> Market.Order.t list

val quantity : t -> int
(** The sum over all orders. *)
