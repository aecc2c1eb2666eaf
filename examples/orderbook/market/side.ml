type t = Buy | Sell

let opposite = function Buy -> Sell | Sell -> Buy
let to_string = function Buy -> "buy" | Sell -> "sell"
let pp ppf side = Format.pp_print_string ppf (to_string side)

let improves side p ~than =
  match side with
  | Buy -> Price.compare p than > 0
  | Sell -> Price.compare p than < 0
