open Book

(** The text that obk prints. *)

val outcome : Format.formatter -> Engine.outcome -> unit
(** One line for each trade, then what became of the rest. *)

val cancelled : Format.formatter -> Market.Order.t -> unit
val unknown : Format.formatter -> Market.Order.id -> unit
val error : Format.formatter -> Engine.error -> unit

val book : Format.formatter -> Limit_book.t -> unit
(** A ladder: asks above bids, best prices in the middle. *)

val tape : Format.formatter -> Market.Tape.t -> unit
(** Volume, average price and the last trade. *)
