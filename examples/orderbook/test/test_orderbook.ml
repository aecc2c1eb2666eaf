let () =
  Alcotest.run "orderbook"
    [ ("price", Test_price.suite);
      ("order", Test_order.suite); ("book", Test_book.suite);
      ("engine", Test_engine.suite);
      ("script", Test_script.suite);
      ("session", Test_session.suite) ]
