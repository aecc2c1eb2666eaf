open Market
open Book

let id n = Option.get (Order_id.of_int n)

let order ?(side = Side.Buy) ?(quantity = 10) n price =
  Order.make ~id:(id n) ~side ~price:(Price.of_string_exn price) ~quantity ()

let ids level =
  List.map (fun o -> Order_id.to_int o.Order.id) (Level.orders level)

let test_fifo () =
  let level =
    Level.singleton (order 1 "10")
    |> Level.add (order 2 "10")
    |> Level.add (order 3 "10" ~quantity:5)
  in
  Alcotest.(check (list int)) "oldest first" [ 1; 2; 3 ] (ids level);
  Alcotest.(check int) "quantity" 25 (Level.quantity level);
  Alcotest.(check (option (list int)))
    "removed"
    (Some [ 1; 3 ])
    (Option.map ids (Level.remove (id 2) level))

let rest orders = List.fold_left Limit_book.insert Limit_book.empty orders

let book =
  rest
    [
      order 1 "99.50";
      order 2 "99.75";
      order 3 "100.25" ~side:Sell;
      order 4 "100.50" ~side:Sell;
    ]

let price = Alcotest.(option (testable Price.pp Price.equal))
let of_string s = Some (Price.of_string_exn s)

let test_best () =
  Alcotest.check price "bid" (of_string "99.75") (Limit_book.best_bid book);
  Alcotest.check price "ask" (of_string "100.25") (Limit_book.best_ask book);
  Alcotest.(check (option int)) "spread" (Some 50) (Limit_book.spread book)

let test_cancel () =
  match Limit_book.cancel book (id 2) with
  | None -> Alcotest.fail "order 2 rests"
  | Some (_, book) ->
      Alcotest.check price "bid" (of_string "99.50") (Limit_book.best_bid book);
      Alcotest.(check bool) "gone" false (Limit_book.mem book (id 2))

let suite =
  [
    Alcotest.test_case "a level is FIFO" `Quick test_fifo;
    Alcotest.test_case "best prices" `Quick test_best;
    Alcotest.test_case "cancel" `Quick test_cancel;
  ]
