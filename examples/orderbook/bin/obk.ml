open Script

let rec run channel number session =
  match input_line channel with
  | exception End_of_file -> ()
  | line ->
      let session =
        match Command.parse line with
        | Ok None -> session
        | Ok (Some command) -> Session.run Format.std_formatter session command
        | Error message ->
            Format.eprintf "line %d: %s@." number message;
            exit 1
      in
      run channel (number + 1) session

let () =
  match Sys.argv with
  | [| _ |] -> run stdin 1 Session.empty
  | [| _; file |] -> run (open_in file) 1 Session.empty
  | _ ->
      prerr_endline "usage: obk [SCRIPT]";
      exit 2
