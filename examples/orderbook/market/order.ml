type id = Order_id.t

type validity =
  | Good_till_cancelled
  | Immediate_or_cancel
  | Fill_or_kill
  | Post_only

type t = {
  id : id;
  side : Side.t;
  price : Price.t;
  quantity : int;
  validity : validity;
}

let make ?(validity = Good_till_cancelled) ~id ~side ~price ~quantity () =
  if quantity <= 0 then invalid_arg "Order.make: quantity";
  { id; side; price; quantity; validity }

let fill order ~by =
  if by > order.quantity then
    invalid_arg (Printf.sprintf "Order.fill: %d of %d" by order.quantity);
  if by = order.quantity then None
  else Some { order with quantity = order.quantity - by }

let pp ppf o =
  Format.fprintf ppf "%a %a %d @@ %a" Order_id.pp o.id Side.pp o.side o.quantity
    Price.pp o.price
