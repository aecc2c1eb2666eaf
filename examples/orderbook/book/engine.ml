open Market

type rest = Nothing | Rests of Order.t | Dropped of Order.t

type outcome = {
  trades : Trade.t list;
  rest : rest;
  book : Limit_book.t;
}

let crosses (taker : Order.t) price =
  not (Side.improves taker.side price ~than:taker.price)

let trade (maker : Order.t) (taker : Order.t) =
  {
    Trade.maker = maker.id;
    taker = taker.id;
    taker_side = taker.side;
    price = maker.price;
    quantity = min maker.quantity taker.quantity;
  }

let rec execute book (taker : Order.t) =
  match Limit_book.best_order book (Side.opposite taker.side) with
  | Some maker when crosses taker maker.price -> (
      let trade = trade maker taker in
      let book = Limit_book.reduce book maker.id ~by:trade.quantity in
      match Order.fill taker ~by:trade.quantity with
      | None -> { trades = [ trade ]; rest = Nothing; book }
      | Some taker ->
          let outcome = execute book taker in
          { outcome with trades = trade :: outcome.trades })
  | _ -> (
      match taker.validity with
      | Good_till_cancelled | Post_only ->
          let book = Limit_book.insert book taker in
          { trades = []; rest = Rests taker; book }
      | Immediate_or_cancel | Fill_or_kill ->
          { trades = []; rest = Dropped taker; book })

let available book (taker : Order.t) =
  Limit_book.ladder book (Side.opposite taker.side)
  |> Ladder.levels
  |> List.filter (fun level -> crosses taker (Level.price level))
  |> List.fold_left (fun sum level -> sum + Level.quantity level) 0

type error = Duplicate_id of Order.id | Would_trade of Order.id

let submit book (taker : Order.t) =
  if Limit_book.mem book taker.id then Error (Duplicate_id taker.id)
  else
    match taker.validity with
    | Fill_or_kill when available book taker < taker.quantity ->
        Ok { trades = []; rest = Dropped taker; book }
    | Post_only when available book taker > 0 -> Error (Would_trade taker.id)
    | _ -> Ok (execute book taker)
