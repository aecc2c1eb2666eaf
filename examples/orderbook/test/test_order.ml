open Market

let order quantity =
  Order.make
    ~id:(Option.get (Order_id.of_int 1))
    ~side:Side.Sell ~quantity
    ~price:(Price.of_ticks 9950)
    ()

let test_fill () =
  let left by = Option.map (fun o -> o.Order.quantity) (Order.fill (order 10) ~by) in
  Alcotest.(check (option int)) "part" (Some 6) (left 4);
  Alcotest.(check (option int)) "all" None (left 10);
  Alcotest.check_raises "too much" (Invalid_argument "Order.fill: 11 of 10")
    (fun () -> ignore (left 11))

let test_positive () =
  Alcotest.check_raises "nothing" (Invalid_argument "Order.make: quantity")
    (fun () -> ignore (order 0))

let suite =
  [
    Alcotest.test_case "fill" `Quick test_fill;
    Alcotest.test_case "a quantity is positive" `Quick test_positive;
  ]
