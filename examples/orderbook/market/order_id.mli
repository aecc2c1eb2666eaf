(** The identity of an order, a positive number chosen by whoever submits it. *)

type t

val of_int : int -> t option
(** [None] unless positive. *)

val of_string : string -> t option
val to_int : t -> int
val compare : t -> t -> int
val equal : t -> t -> bool

val pp : Format.formatter -> t -> unit
(** [#7] *)

module Map : Map.S with type key = t
