(** Prices as fixed-point integers.

    A price counts ticks of one cent, so that comparing and adding prices is
    exact; floats never enter the book. *)

type t

val compare : t -> t -> int
val equal : t -> t -> bool

val of_ticks : int -> t
(** @raise Invalid_argument if the number of ticks is not positive. *)

val ticks : t -> int

val diff : t -> t -> int
(** [diff a b] is how many ticks [a] is above [b]. *)

val of_string : string -> (t, string) result
(** [of_string "101.25"] is 10125 ticks; the error says what is wrong. *)

val of_string_exn : string -> t
(** @raise Invalid_argument where {!of_string} returns an error. *)

val to_string : t -> string
val pp : Format.formatter -> t -> unit
