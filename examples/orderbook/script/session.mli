open Book
open Market

(** The state of a running script: the book and the tape of its trades. *)

type t = private { book : Limit_book.t; tape : Tape.t }

val empty : t

val run : Format.formatter -> t -> Command.t -> t
(** Prints what the command does. *)
