open Market
open Book

let outcome ppf { Engine.trades; rest; book = _ } =
  List.iter (Format.fprintf ppf "trade %a@." Trade.pp) trades;
  match rest with
  | Nothing -> ()
  | Rests order -> Format.fprintf ppf "rests %a@." Order.pp order
  | Dropped order -> Format.fprintf ppf "drops %a@." Order.pp order

let cancelled ppf = Format.fprintf ppf "gone  %a@." Order.pp
let unknown ppf = Format.fprintf ppf "error: no order %a rests@." Order_id.pp

let error ppf = function
  | Engine.Duplicate_id id ->
      Format.fprintf ppf "error: order %a exists@." Order_id.pp id
  | Would_trade id ->
      Format.fprintf ppf "error: order %a would trade@." Order_id.pp id

let book ppf book =
  let level level =
    Format.fprintf ppf "%10s %6d@."
      (Price.to_string (Level.price level))
      (Level.quantity level)
  in
  let levels side = Ladder.levels (Limit_book.ladder book side) in
  List.iter level (List.rev (levels Side.Sell));
  Format.fprintf ppf "---------- ------@.";
  List.iter level (levels Side.Buy)

let tape ppf tape =
  Format.fprintf ppf "volume %d@." (Tape.volume tape);
  Option.iter (Format.fprintf ppf "vwap   %a@." Price.pp) (Tape.vwap tape);
  Option.iter (Format.fprintf ppf "last   %a@." Trade.pp) (Tape.last tape)
