open Script

let refused line message =
  match Command.parse line with
  | Error e -> Alcotest.(check string) line message e
  | Ok _ -> Alcotest.failf "accepted: %s" line

let test_errors () =
  refused "frobnicate 1" "not understood: \"frobnicate 1\"";
  refused "buy 0 10 99" "not an order's id: \"0\"";
  refused "buy 1 -2 99" "the quantity must be a positive number: \"-2\"";
  refused "sell 1 5 9.999" "not a price: \"9.999\"";
  refused "sell 1 5 100 gtd" "not understood: \"gtd\""

let suite = [ Alcotest.test_case "errors" `Quick test_errors ]
