open Script

(* What obk prints for a script. *)
let output script =
  let buffer = Buffer.create 200 in
  let ppf = Format.formatter_of_buffer buffer in
  let run session line =
    match Command.parse line with
    | Ok None -> session
    | Ok (Some command) -> Session.run ppf session command
    | Error e -> Alcotest.fail e
  in
  let (_ : Session.t) = List.fold_left run Session.empty script in
  Buffer.contents buffer

let check name script expected =
  Alcotest.(check (list string))
    name expected
    (String.split_on_char '\n' (String.trim (output script)))

let test_trade () =
  check "a trade and the rest"
    [ "sell 1 10 100"; "buy 2 15 100.5" ]
    [
      "rests #1 sell 10 @ 100.00";
      "trade 10 @ 100.00 (#2 takes #1, buy)";
      "rests #2 buy 5 @ 100.50";
    ]

let test_show () =
  check "asks above bids"
    [ "sell 1 10 101"; "sell 2 5 100.5 post"; "buy 3 7 99"; "cancel 3"; "show" ]
    [
      "rests #1 sell 10 @ 101.00";
      "rests #2 sell 5 @ 100.50";
      "rests #3 buy 7 @ 99.00";
      "gone  #3 buy 7 @ 99.00";
      "    101.00     10";
      "    100.50      5";
      "---------- ------";
    ]

let test_stats () =
  check "volume and average"
    [ "sell 1 10 100"; "sell 2 10 102"; "buy 3 15 105 ioc"; "stats" ]
    [
      "rests #1 sell 10 @ 100.00";
      "rests #2 sell 10 @ 102.00";
      "trade 10 @ 100.00 (#3 takes #1, buy)";
      "trade 5 @ 102.00 (#3 takes #2, buy)";
      "volume 15";
      "vwap   100.66";
      "last   5 @ 102.00 (#3 takes #2, buy)";
    ]

let suite =
  [
    Alcotest.test_case "a trade" `Quick test_trade;
    Alcotest.test_case "show" `Quick test_show;
    Alcotest.test_case "stats" `Quick test_stats;
  ]
