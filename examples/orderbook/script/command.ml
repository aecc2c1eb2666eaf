open Market

type t = Submit of Order.t | Cancel of Order.id | Show | Stats

let ( let* ) = Result.bind

let not_understood words =
  Error (Printf.sprintf "not understood: %S" (String.concat " " words))

let positive what s =
  match int_of_string_opt s with
  | Some n when n > 0 -> Ok n
  | _ -> Error (Printf.sprintf "%s must be a positive number: %S" what s)

let order_id s =
  Order_id.of_string s
  |> Option.to_result ~none:(Printf.sprintf "not an order's id: %S" s)

let validity = function
  | [] -> Ok Order.Good_till_cancelled
  | [ "ioc" ] -> Ok Immediate_or_cancel
  | [ "fok" ] -> Ok Fill_or_kill
  | [ "post" ] -> Ok Post_only
  | words -> not_understood words

let order side id quantity price rest =
  let* id = order_id id in
  let* quantity = positive "the quantity" quantity in
  let* price = Price.of_string price in
  let* validity = validity rest in
  Ok (Some (Submit (Order.make ~id ~side ~quantity ~price ~validity ())))

let words line =
  String.split_on_char ' ' line |> List.filter (fun w -> w <> "")

let parse line =
  match words line with
  | [] -> Ok None
  | w :: _ when w.[0] = '#' -> Ok None
  | "buy" :: id :: quantity :: price :: rest ->
      order Side.Buy id quantity price rest
  | "sell" :: id :: quantity :: price :: rest ->
      order Side.Sell id quantity price rest
  | [ "cancel"; id ] ->
      let* id = order_id id in
      Ok (Some (Cancel id))
  | [ "show" ] -> Ok (Some Show)
  | [ "stats" ] -> Ok (Some Stats)
  | words -> not_understood words
