type t = {
  maker : Order.id;
  taker : Order.id;
  taker_side : Side.t;
  price : Price.t;
  quantity : int;
}

let notional t = Price.ticks t.price * t.quantity

let pp ppf t =
  Format.fprintf ppf "%d @@ %a (%a takes %a, %a)" t.quantity Price.pp t.price
    Order_id.pp t.taker Order_id.pp t.maker Side.pp t.taker_side
