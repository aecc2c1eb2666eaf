include Int

let of_int n = if n > 0 then Some n else None
let of_string s = Option.bind (int_of_string_opt s) of_int
let to_int id = id
let pp ppf id = Format.fprintf ppf "#%d" id

module Map = Map.Make (Int)
