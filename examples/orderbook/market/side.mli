(** The two sides of the book. *)

type t = Buy | Sell

val opposite : t -> t
val to_string : t -> string
val pp : Format.formatter -> t -> unit

val improves : t -> Price.t -> than:Price.t -> bool
(** [improves side p ~than:q] is true when [p] is the more aggressive price for
    an order on [side]: higher for a buyer, lower for a seller. *)
