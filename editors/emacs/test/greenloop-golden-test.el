;;; greenloop-golden-test.el --- The golden messages, replayed through the layer  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; emacs -Q --batch -L . -L test -l greenloop-golden-test -f ert-run-tests-batch-and-exit
;;
;; What the sidecar says in `protocol/golden/' the peer says, byte for byte; what
;; the layer says is compared with what stands there.

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'greenloop)
(require 'greenloop-stage)

(defconst greenloop-golden--folder
  (expand-file-name "../../../protocol/golden/" (file-name-directory (or load-file-name buffer-file-name)))
  "Where the messages lie.")

(defconst greenloop-golden--replayed
  '("approval.request" "cancelRequest" "error" "file.saved" "initialize" "status.changed" "suggestion.accept"
    "suggestion.applied" "suggestion.refuse" "suggestion.shown" "suggestion.undone" "tools.call" "tools.list"
    "turn.cancel" "turn.candidate" "turn.delta" "turn.ended" "turn.progress" "turn.start" "workspace.open"
    "workspace.trust")
  "The messages that this layer sends or hears.")

(defconst greenloop-golden--others
  '("conversation.list" "conversation.read" "sidecar.status" "sidecar.stop" "status.get" "turn.explain"
    "workspace.close")
  "The messages that this layer has no use for.")

(defvar greenloop-golden--read nil "The names of the messages that were read.")

(defun greenloop-golden (name part)
  "Return PART of the message NAME: `:request', `:answer' or `:notification'."
  (unless (member name greenloop-golden--replayed) (error "%s is not among what is replayed" name))
  (cl-pushnew name greenloop-golden--read :test #'equal)
  (plist-get (greenloop-stage-parsed (decode-coding-string
                                      (greenloop-stage-bytes (expand-file-name (concat name ".json")
                                                                               greenloop-golden--folder))
                                      'utf-8-unix))
             part))

(defun greenloop-golden--wanted (name)
  "Return the parameters of the request NAME."
  (plist-get (greenloop-golden name :request) :params))

(defun greenloop-golden--hear (name &rest changed)
  "Let the peer say the notification NAME, with parameters CHANGED in it."
  (let ((said (greenloop-golden name :notification)))
    (greenloop-stage-say :method (plist-get said :method) :params (greenloop-golden--with (plist-get said :params) changed))))

(defun greenloop-golden--with (given changed)
  "Return the property list GIVEN with what is CHANGED."
  (let ((given (copy-sequence given)))
    (cl-loop for (key value) on changed by #'cddr do (setq given (plist-put given key value)))
    given))

(defun greenloop-golden--answer (name &rest changed)
  "Let the peer answer the request NAME as is written down, but for what is CHANGED."
  (let ((method (plist-get (greenloop-golden name :request) :method)))
    (greenloop-stage-reply method :result
                           (greenloop-golden--with (plist-get (greenloop-golden name :answer) :result) changed))))

(defun greenloop-golden--same (name &optional count)
  "Check that the layer has sent what NAME has, for the COUNT-th time."
  (let ((wanted (or (greenloop-golden name :request) (greenloop-golden name :notification))))
    (should (equal (greenloop-stage-asked (plist-get wanted :method) count) (plist-get wanted :params)))))

(defmacro greenloop-golden--in-workspace (root &rest body)
  "Do BODY with ROOT, of which the workspace of the messages is; the current buffer is its book/level.ml."
  (declare (indent 1) (debug t))
  `(greenloop-stage-with-peer ,root
     (greenloop-golden--same "initialize")
     (greenloop-golden--answer "initialize")
     (make-directory "book")
     (greenloop-stage-bytes "book/level.ml" "type t = { top : string }\n\nlet best level =\n  level.to\n")
     (save-window-excursion
       (switch-to-buffer (find-file-noselect "book/level.ml"))
       (setq greenloop-link--workspaces nil)
       (greenloop-link-open)
       (should (equal (greenloop-stage-asked "workspace/open" 2) (list :path (directory-file-name ,root))))
       (should (equal (length (greenloop-golden--wanted "workspace.open")) 2))
       (greenloop-golden--answer "workspace.open" :root (directory-file-name ,root))
       (goto-char (1- (point-max)))
       (insert "p")
       ,@body)))

(defmacro greenloop-golden--in-turn (root turn &rest body)
  "Do BODY as `greenloop-golden--in-workspace' has it with ROOT, within TURN, which was started as is written down."
  (declare (indent 2) (debug t))
  `(greenloop-golden--in-workspace ,root
     (greenloop-fix "keep the type of best")
     (greenloop-golden--answer "turn.start")
     (let ((,turn (car greenloop-turn-all))) ,@body)))

(defun greenloop-golden--talk ()
  "Return what stands in the conversation."
  (with-current-buffer (greenloop-talk-buffer (greenloop-link-workspace)) (buffer-string)))

(ert-deftest greenloop-golden-workspace ()
  "A workspace is trusted; its build status is shown; a save is told."
  (greenloop-golden--in-workspace root
    (should (greenloop-workspace-trusted (greenloop-link-workspace)))
    (run-at-time 0 nil (lambda () (greenloop-golden--answer "workspace.trust" :root (directory-file-name root))))
    (greenloop-trust t)
    (greenloop-golden--same "workspace.trust")
    (greenloop-mode)
    (let (found)
      (greenloop-build-flymake (lambda (diagnostics &rest _) (setq found diagnostics)))
      (goto-char (point-max))
      (insert "let lvl = bar_bar\n")
      (greenloop-golden--hear "status.changed")
      (should (equal (substring-no-properties (greenloop-build-lighter)) " Greenloop:checking"))
      (should (equal (mapcar (lambda (one) (list (line-number-at-pos (flymake-diagnostic-beg one))
                                                 (buffer-substring (flymake-diagnostic-beg one) (flymake-diagnostic-end one))
                                                 (flymake-diagnostic-type one)))
                             found)
                     '((5 "bar_bar" :error))))
      (should (string-search "\n  Price.t" (flymake-diagnostic-text (car found)))))
    (save-buffer)
    (greenloop-golden--same "file.saved")))

(ert-deftest greenloop-golden-turn ()
  "What comes of a turn stands in the conversation; after a fault it is asked again; it is cancelled."
  (greenloop-golden--in-workspace root
    (greenloop-golden--hear "status.changed")
    (let ((transient-mark-mode t) (wanted (greenloop-golden--wanted "turn.start")))
      (goto-char (greenloop-text-line 2))
      (set-mark (point))
      (goto-char (greenloop-text-line 4))
      (activate-mark)
      (greenloop-fix "keep the type of best")
      (greenloop-golden--answer "turn.start")
      (greenloop-golden--hear "turn.delta")
      (should (string-search "\n~~~text\n<<<<<<<\n  level.top\n" (greenloop-golden--talk)))
      (greenloop-golden--hear "turn.progress")
      (should (string-search "\n- giving the compiler's message back\n" (greenloop-golden--talk)))
      (greenloop-golden--hear "turn.ended")
      (should (string-search "\nFailed: the sidecar was restarted in the middle of this; nothing was applied (ask again)\n"
                             (greenloop-golden--talk)))
      (greenloop-ask-again)
      ;; a region ends where the cursor is, and what was deleted has no buffer here
      (let ((asked (greenloop-stage-asked "turn/start" 2)))
        (should (equal (plist-get (plist-get asked :place) :cursor) '(:line 4 :column 0)))
        (plist-put (plist-get asked :place) :cursor '(:line 3 :column 4))
        (should (equal (append (plist-get asked :buffers) '((:path "book/gone.ml" :text nil)))
                       (append (plist-get wanted :buffers) nil)))
        (cl-loop for (key value) on wanted by #'cddr
                 unless (eq key :buffers) do (should (equal (list key (plist-get asked key)) (list key value))))))
    (greenloop-golden--answer "turn.start")
    (greenloop-cancel)
    (greenloop-golden--same "turn.cancel")
    (greenloop-golden--answer "turn.cancel")
    (greenloop-golden--hear "turn.ended" :outcome "cancelled" :fault nil)
    (should (string-search "\nCancelled.\n" (greenloop-golden--talk)))))

(ert-deftest greenloop-golden-suggestion ()
  "A suggestion is shown with its badge and each kind of file."
  (greenloop-golden--in-turn root turn
    (greenloop-golden--hear "turn.candidate")
    (greenloop-golden--same "suggestion.shown")
    (greenloop-golden--answer "suggestion.shown")
    (with-current-buffer (greenloop-review-find)
      (dolist (line '("Suggestion: type-checks" "Mistrust it: a public value was dropped: Level.worst"
                      "-  level.top" "+  Price.of_string level.top" "+(** The best price, “top of the book”. *)"
                      "+++ b/book/naïve.ml" "rename to book/new.ml" "-let y = 2" "+++ /dev/null"))
        (should (string-match-p (concat "^" (regexp-quote line) "$") (buffer-string)))))
    (greenloop-golden--hear "turn.ended" :outcome "done" :order ["s-1"] :fault nil)
    (dolist (line '("**type-checks**" "- `book/level.ml`: 1 change" "- `book/naïve.ml`: a new file"
                    "- `book/old.ml`: becomes `book/new.ml`" "- `book/dead.ml`: goes"))
      (should (string-search (format "\n%s\n" line) (greenloop-golden--talk))))
    (greenloop-turn-refuse turn (car (greenloop-turn-suggestions turn)) '(("s-1" . "2") ("s-1" . "3")))
    (greenloop-golden--same "suggestion.refuse")))

(ert-deftest greenloop-golden-decisions ()
  "What is stale is told with the way out; what is handed over is written, judged anew, and taken back."
  (greenloop-golden--in-turn root turn
    (greenloop-golden--hear "turn.candidate")
    (greenloop-golden--hear "turn.ended" :outcome "done" :order ["s-1"] :fault nil)
    (let ((accept (lambda ()
                    (with-current-buffer (greenloop-review-find)
                      (goto-char (point-min))
                      (search-forward "+  Price.of_string")
                      (greenloop-review-accept)))))
      (funcall accept)
      (greenloop-golden--same "suggestion.accept")
      (greenloop-stage-reply "suggestion/accept" :error (plist-get (greenloop-golden "error" :answer) :error))
      (should (string-search (concat "\nNothing was written: book/level.ml is not what the suggestion was made for"
                                     " (ask again on the new text).\n")
                             (greenloop-golden--talk)))
      (setq buffer-read-only t)
      (funcall accept)
      (greenloop-golden--answer "suggestion.accept")
      ;; the words of the note are the editor's own
      (should (equal (greenloop-golden--with (greenloop-stage-asked "suggestion/applied") '(:note "the buffer is read-only"))
                     (greenloop-golden--wanted "suggestion.applied")))
      (setq buffer-read-only nil)
      (funcall accept))
    (greenloop-golden--answer "suggestion.accept")
    (should (equal (buffer-string) "type t = { top : string }\n\nlet best level =\n  Price.of_string level.top\n"))
    (should (string-search "\nAccepted: 1 in book/level.ml; 1 error, judged anew on the text that changed meanwhile.\n"
                           (greenloop-golden--talk)))
    (should (eq t (plist-get (greenloop-stage-asked "suggestion/applied" 2) :applied)))
    (greenloop-undo)
    (greenloop-golden--same "suggestion.undone")
    (should (equal (buffer-string) "type t = { top : string }\n\nlet best level =\n  level.top\n"))))

(ert-deftest greenloop-golden-tools ()
  "A tool is listed, blocked or called; a question is answered, and one that is taken back is not."
  (greenloop-golden--in-workspace root
    (global-set-key [f6] #'greenloop-tool)
    (cl-loop for (keys . blocked) in '(("<f6> tickets.close RET" . "its description is not the one that was pinned")
                                       ("<f6> tickets.find RET price RET"))
             do
             (run-at-time 0 nil (lambda () (greenloop-golden--answer "tools.list")))
             (if blocked
                 (should (string-search blocked (cadr (should-error (execute-kbd-macro (kbd keys)) :type 'user-error))))
               (execute-kbd-macro (kbd keys)))
             (greenloop-golden--same "tools.list"))
    (greenloop-golden--same "tools.call")
    (greenloop-golden--answer "tools.call")
    (should (string-search "## Tool tickets.find\n\n~~~text\n#12 the price is wrong\n~~~\n" (greenloop-golden--talk)))
    (let* ((question (greenloop-golden "approval.request" :request))
           (greenloop-approve-function
            (lambda (params)
              (should (equal params (plist-get question :params)))
              t)))
      (greenloop-stage-say :id 7 :method "approval/request" :params (plist-get question :params))
      (apply #'greenloop-stage-say question))
    (should (equal (mapcar (lambda (one) (plist-get one :id)) (greenloop-stage-sent nil 2)) '(7 "session:1:1")))
    (should (member (greenloop-golden "approval.request" :answer) (greenloop-stage-sent nil)))
    (let ((greenloop-approve-function (lambda (_) (greenloop-golden--hear "cancelRequest") t)))
      (greenloop-stage-say :id 7 :method "approval/request" :params '(:tool "slow" :arguments nil :why "")))
    (should (equal (length (greenloop-stage-sent nil 2)) 2))))

(ert-deftest greenloop-golden-zz-all-of-them ()
  "There is no message that was forgotten here."
  (should (equal (sort (append greenloop-golden--replayed greenloop-golden--others nil) #'string<)
                 (mapcar #'file-name-sans-extension (directory-files greenloop-golden--folder nil "\\.json\\'"))))
  (should-not (cl-set-difference greenloop-golden--replayed greenloop-golden--read :test #'equal)))

(provide 'greenloop-golden-test)
;;; greenloop-golden-test.el ends here
