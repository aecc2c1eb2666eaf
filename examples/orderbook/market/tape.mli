(** What has traded so far. *)

type t

val empty : t
val record : t -> Trade.t -> t
val last : t -> Trade.t option
val volume : t -> int

val vwap : t -> Price.t option
(** The volume-weighted average price, rounded down to a tick; [None] before
    the first trade. *)
