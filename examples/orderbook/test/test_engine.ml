open Market
open Book

let id n = Option.get (Order_id.of_int n)

let submit ?validity book n side quantity price =
  let price = Price.of_string_exn price in
  let order = Order.make ?validity ~id:(id n) ~side ~quantity ~price () in
  match Engine.submit book order with
  | Ok outcome -> outcome
  | Error (Duplicate_id id | Would_trade id) ->
      Alcotest.failf "%a was refused" Order_id.pp id

let quantities trades = List.map (fun t -> t.Trade.quantity) trades
let makers trades = List.map (fun t -> Order_id.to_int t.Trade.maker) trades

let test_rests () =
  let { Engine.trades; book; _ } = submit Limit_book.empty 1 Side.Buy 10 "99.50" in
  Alcotest.(check (list int)) "no trade" [] (quantities trades);
  Alcotest.(check bool) "rests" true (Limit_book.find book (id 1) <> None)

let test_time_priority () =
  let { Engine.book; _ } = submit Limit_book.empty 1 Side.Sell 10 "100" in
  let { Engine.book; _ } = submit book 2 Side.Sell 10 "100" in
  let { Engine.trades; book; _ } = submit book 3 Side.Buy 15 "100" in
  Alcotest.(check (list int)) "makers" [ 1; 2 ] (makers trades);
  Alcotest.(check (list int)) "quantities" [ 10; 5 ] (quantities trades);
  Alcotest.(check (option int))
    "the second keeps the rest" (Some 5)
    (Option.map (fun o -> o.Order.quantity) (Limit_book.find book (id 2)))

let asks =
  let { Engine.book; _ } = submit Limit_book.empty 1 Side.Sell 10 "100" in
  let { Engine.book; _ } = submit book 2 Side.Sell 10 "101" in
  book

let test_immediate () =
  let { Engine.trades; book; _ } =
    submit asks 3 Side.Buy 15 "100" ~validity:Immediate_or_cancel
  in
  Alcotest.(check (list int)) "what there is" [ 10 ] (quantities trades);
  Alcotest.(check bool) "does not rest" true (Limit_book.find book (id 3) = None)

let test_fill_or_kill () =
  let buy price = submit asks 3 Side.Buy 15 price ~validity:Fill_or_kill in
  Alcotest.(check (list int)) "killed" [] (quantities (buy "100").trades);
  Alcotest.(check (list int)) "filled" [ 10; 5 ] (quantities (buy "101").trades)

let test_post_only () =
  let order price =
    Order.make ~id:(id 3) ~side:Side.Buy ~quantity:1
      ~price:(Price.of_string_exn price) ~validity:Post_only ()
  in
  let accepted price = Result.is_ok (Engine.submit asks (order price)) in
  Alcotest.(check bool) "rests below" true (accepted "99.99");
  Alcotest.(check bool) "refused at the ask" false (accepted "100")

let suite =
  [
    Alcotest.test_case "an order rests" `Quick test_rests;
    Alcotest.test_case "time priority" `Quick test_time_priority;
    Alcotest.test_case "immediate or cancel" `Quick test_immediate;
    Alcotest.test_case "fill or kill" `Quick test_fill_or_kill;
    Alcotest.test_case "post only" `Quick test_post_only;
  ]
