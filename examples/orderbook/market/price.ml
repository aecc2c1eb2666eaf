type t = int

let scale = 100
let compare = Int.compare
let equal = Int.equal

let of_ticks n =
  if n <= 0 then invalid_arg "Price.of_ticks: not positive";
  n

let ticks p = p
let diff a b = a - b

let digits s = s <> "" && String.for_all (fun c -> c >= '0' && c <= '9') s

let of_string s =
  let error () = Error (Printf.sprintf "not a price: %S" s) in
  let ticks units cents =
    match int_of_string_opt units with
    | Some units when units < max_int / scale ->
        let n = (units * scale) + int_of_string cents in
        if n > 0 then Ok n else error ()
    | _ -> error ()
  in
  match String.split_on_char '.' s with
  | [ units ] when digits units -> ticks units "0"
  | [ units; cents ] when digits units && digits cents -> (
      match String.length cents with
      | 1 -> ticks units (cents ^ "0")
      | 2 -> ticks units cents
      | _ -> error ())
  | _ -> error ()

let of_string_exn s =
  match of_string s with Ok p -> p | Error e -> invalid_arg e

let to_string p = Printf.sprintf "%d.%02d" (p / scale) (p mod scale)
let pp ppf p = Format.pp_print_string ppf (to_string p)
