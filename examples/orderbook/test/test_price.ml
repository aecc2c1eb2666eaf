open Market

let price = Alcotest.testable Price.pp Price.equal

let test_round_trip () =
  List.iter
    (fun s -> Alcotest.(check string) s s Price.(to_string (of_string_exn s)))
    [ "1.00"; "0.01"; "101.25"; "99.90" ]

let test_short_forms () =
  Alcotest.check price "no cents" (Price.of_ticks 700) (Price.of_string_exn "7");
  Alcotest.check price "one digit" (Price.of_ticks 750) (Price.of_string_exn "7.5")

let test_errors () =
  let refused s =
    Alcotest.(check (result price string))
      s
      (Error (Printf.sprintf "not a price: %S" s))
      (Price.of_string s)
  in
  List.iter refused [ ""; "0"; "-3"; "1.234"; "1.2.3"; "ten"; ".50"; "0x10"; "99999999999999999999" ]

let suite =
  [
    Alcotest.test_case "text round trip" `Quick test_round_trip;
    Alcotest.test_case "short forms" `Quick test_short_forms;
    Alcotest.test_case "errors" `Quick test_errors;
  ]
