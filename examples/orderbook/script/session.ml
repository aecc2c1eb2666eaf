open Book
open Market

type t = { book : Limit_book.t; tape : Tape.t }

let empty = { book = Limit_book.empty; tape = Tape.empty }

let run ppf t = function
  | Command.Show ->
      Render.book ppf t.book;
      t
  | Stats ->
      Render.tape ppf t.tape;
      t
  | Cancel id -> (
      match Limit_book.cancel t.book id with
      | None ->
          Render.unknown ppf id;
          t
      | Some (order, book) ->
          Render.cancelled ppf order;
          { t with book })
  | Submit order -> (
      match Engine.submit t.book order with
      | Ok outcome ->
          Render.outcome ppf outcome;
          let tape = List.fold_left Tape.record t.tape outcome.trades in
          { book = outcome.book; tape }
      | Error e ->
          Render.error ppf e;
          t)
