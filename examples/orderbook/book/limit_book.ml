open Market
module Index = Order_id.Map

type t = { bids : Ladder.t; asks : Ladder.t; index : Order.t Index.t }

let empty =
  {
    bids = Ladder.empty Side.Buy;
    asks = Ladder.empty Side.Sell;
    index = Index.empty;
  }

let ladder book = function Side.Buy -> book.bids | Sell -> book.asks

let set_ladder book ladder =
  match Ladder.side ladder with
  | Buy -> { book with bids = ladder }
  | Sell -> { book with asks = ladder }

let find book id = Index.find_opt id book.index
let mem book id = Index.mem id book.index

let insert book (order : Order.t) =
  if mem book order.id then invalid_arg "Limit_book.insert: duplicate id";
  let book = set_ladder book (Ladder.add (ladder book order.side) order) in
  { book with index = Index.add order.id order book.index }

let remove book (order : Order.t) =
  let ladder =
    Ladder.update (ladder book order.side) order.price (Level.remove order.id)
  in
  let index = Index.remove order.id book.index in
  { (set_ladder book ladder) with index }

let cancel book id =
  Option.map (fun order -> (order, remove book order)) (find book id)

let best book side = Option.map Level.price (Ladder.best (ladder book side))
let best_bid book = best book Side.Buy
let best_ask book = best book Side.Sell

let spread book =
  match (best_bid book, best_ask book) with
  | Some bid, Some ask -> Some (Price.diff ask bid)
  | _ -> None

let best_order book side =
  Option.map Level.front (Ladder.best (ladder book side))

let reduce book id ~by =
  match find book id with
  | None -> book
  | Some order -> (
      match Order.fill order ~by with
      | None -> remove book order
      | Some left ->
          let ladder =
            Ladder.update (ladder book order.side) order.price
              (fun level -> Some (Level.replace left level))
          in
          {
            (set_ladder book ladder) with
            index = Index.add id left book.index;
          })
