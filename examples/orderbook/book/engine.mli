open Market

(** The matching engine: price-time priority.

    An incoming order trades with the best opposite level while their prices
    cross, oldest resting order first, each trade at the resting order's price.
    What is left of it rests in the book, or is dropped if the order is
    immediate-or-cancel. *)

type rest =
  | Nothing  (** All of it traded. *)
  | Rests of Order.t  (** Waits in the book. *)
  | Dropped of Order.t

type outcome = {
  trades : Trade.t list;  (** In the order they happened. *)
  rest : rest;  (** What became of the part that did not trade. *)
  book : Limit_book.t;
}

type error =
  | Duplicate_id of Order.id  (** An order with this id rests already. *)
  | Would_trade of Order.id  (** A post-only order crosses the book. *)

val submit : Limit_book.t -> Order.t -> (outcome, error) result
(** An error comes before anything trades. *)
