open Market

(** The two ladders, and where to find each resting order. *)

type t

val empty : t
val ladder : t -> Side.t -> Ladder.t

val insert : t -> Order.t -> t
(** Rests the order in its own side; no matching happens here.

    @raise Invalid_argument if an order with that id rests already. *)

val mem : t -> Order.id -> bool
val find : t -> Order.id -> Order.t option

val cancel : t -> Order.id -> (Order.t * t) option
(** The cancelled order and the book without it; [None] if no such order
    rests. *)

val reduce : t -> Order.id -> by:int -> t
(** Takes [by] units from a resting order, which keeps its place in the queue
    and leaves the book when nothing is left. *)

val best_order : t -> Side.t -> Order.t option
(** The order of that side that trades next. *)

val best_bid : t -> Price.t option
val best_ask : t -> Price.t option

val spread : t -> int option
(** The best ask less the best bid, if both are there. *)
