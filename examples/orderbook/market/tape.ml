type t = { last : Trade.t option; volume : int; notional : int }

let empty = { last = None; volume = 0; notional = 0 }

let record tape (trade : Trade.t) =
  {
    last = Some trade;
    volume = tape.volume + trade.quantity;
    notional = tape.notional + Trade.notional trade;
  }

let last tape = tape.last
let volume tape = tape.volume

let vwap tape =
  if tape.volume = 0 then None
  else Some (Price.of_ticks (tape.notional / tape.volume))
