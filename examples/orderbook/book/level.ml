open Market

type t = Order.t * Order.t list

let singleton order = (order, [])
let add order (first, rest) = (first, rest @ [ order ])
let front (first, _) = first
let price level = (front level).Order.price
let orders (first, rest) = first :: rest
let of_orders = function [] -> None | first :: rest -> Some (first, rest)

let remove id level =
  of_orders (List.filter (fun o -> o.Order.id <> id) (orders level))

let replace order (first, rest) =
  let swap o = if o.Order.id = order.Order.id then order else o in
  (swap first, List.map swap rest)

let quantity level =
  List.fold_left (fun sum o -> sum + o.Order.quantity) 0 (orders level)
