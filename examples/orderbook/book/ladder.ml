open Market
module Levels = Map.Make (Price)

type t = { side : Side.t; levels : Level.t Levels.t }

let empty side = { side; levels = Levels.empty }
let side ladder = ladder.side

let update ladder price f =
  let change level = Option.bind level f in
  { ladder with levels = Levels.update price change ladder.levels }

let add ladder (order : Order.t) =
  let change = function
    | None -> Some (Level.singleton order)
    | Some level -> Some (Level.add order level)
  in
  { ladder with levels = Levels.update order.price change ladder.levels }

let best ladder =
  let binding =
    match ladder.side with
    | Buy -> Levels.max_binding_opt ladder.levels
    | Sell -> Levels.min_binding_opt ladder.levels
  in
  Option.map snd binding

let levels ladder =
  let ascending = List.map snd (Levels.bindings ladder.levels) in
  match ladder.side with Buy -> List.rev ascending | Sell -> ascending
