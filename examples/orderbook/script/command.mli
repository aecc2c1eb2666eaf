open Market

(** One line of a script. *)

type t =
  | Submit of Order.t  (** [buy 1 10 99.50], [sell 2 5 100 ioc] *)
  | Cancel of Order.id  (** [cancel 1] *)
  | Show  (** [show] *)
  | Stats  (** [stats] *)

val parse : string -> (t option, string) result
(** [Ok None] for an empty line and for a comment ([# …]). *)
