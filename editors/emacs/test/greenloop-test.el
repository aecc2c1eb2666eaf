;;; greenloop-test.el --- What the corpus does not reach  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; emacs -Q --batch -L . -L test -l greenloop-test -f ert-run-tests-batch-and-exit
;;
;; No sidecar here: how texts are read, written and taken back, how a suggestion
;; stands in the review, and peers that ask questions and take them back, or say
;; what a test lets them say.

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'greenloop)

(setq make-backup-files nil
      create-lockfiles nil)

(defmacro greenloop-test--in-folder (root &rest body)
  "Do BODY with ROOT bound to a folder that goes with it, and its buffers, too."
  (declare (indent 1) (debug t))
  `(let* ((,root (file-name-as-directory (file-truename (make-temp-file "gl" t))))
          (default-directory ,root))
     (unwind-protect (progn ,@body)
       (dolist (buffer (buffer-list))
         (when (string-prefix-p ,root (or (buffer-file-name buffer) ""))
           (with-current-buffer buffer (set-buffer-modified-p nil))
           (kill-buffer buffer)))
       (delete-directory ,root t))))

(defun greenloop-test--bytes (file &optional bytes)
  "Write BYTES into FILE, or without them return its own."
  (if bytes (let ((coding-system-for-write 'no-conversion)) (write-region bytes nil file nil 'quiet))
    (with-temp-buffer
      (set-buffer-multibyte nil)
      (insert-file-contents-literally file)
      (buffer-string))))

(defun greenloop-test--file (path old new &rest hunks)
  "Return a file of a hand-over: PATH from OLD to NEW by HUNKS, (START END OLD NEW NEW-START)."
  (list :path path :base_sha256 (and old (greenloop-text-sha256 old)) :text new
        :hunks (vconcat (cl-loop for (start end was is at) in hunks
                                 collect (list :id "1" :start start :end end :old was :new is :new_start at)))))

(ert-deftest greenloop-test-bytes-survive ()
  "A buffer's text is the bytes of its file, whatever its coding system; other bytes are named."
  (greenloop-test--in-folder root
    (dolist (bytes (list "a\nb" "a\r\nb\r\n" "a\r\nb\n" "\357\273\277bom\n" "gr\303\274n \360\237\245\233\r\n" ""))
      (greenloop-test--bytes "f.ml" bytes)
      (with-current-buffer (find-file-noselect "f.ml")
        (should (equal bytes (encode-coding-string (greenloop-text-of (current-buffer)) 'utf-8-unix)))
        (kill-buffer)))
    (greenloop-test--bytes "f.ml" "gr\374n\n")
    (with-current-buffer (let ((coding-system-for-read 'latin-1)) (find-file-noselect "f.ml"))
      (should-not (greenloop-text-of (current-buffer)))
      (insert "x")
      (should (equal (greenloop-text-unsaved root) [])))))

(ert-deftest greenloop-test-hunks-keep-places ()
  "Hunks are written as one step of undo; a cursor elsewhere keeps its place, and narrowing its bounds."
  (greenloop-test--in-folder root
    (greenloop-test--bytes "f.ml" "one\r\ntwo\r\nthree\r\n")
    (with-current-buffer (find-file-noselect "f.ml")
      (buffer-enable-undo)
      (search-forward "thr")
      (narrow-to-region (line-beginning-position) (point-max))
      (greenloop-text-write
       (greenloop-text-plan root (list (greenloop-test--file "f.ml" "one\r\ntwo\r\nthree\r\n" "eins\r\ndrei\r\ntwo\r\nthree\r\n"
                                                             '(0 1 "one\r\n" "eins\r\ndrei\r\n" 0)))
                            nil))
      (should (looking-at "ee$"))
      (should (equal (buffer-string) "three\n"))
      (should (equal (greenloop-test--bytes "f.ml") "eins\r\ndrei\r\ntwo\r\nthree\r\n"))
      (widen)
      (undo-boundary)
      (let ((last-command nil)) (undo))
      (should (equal (buffer-string) "one\ntwo\nthree\n")))))

(ert-deftest greenloop-test-line-ends-may-change ()
  "A change of all line ends is written as it was handed over."
  (greenloop-test--in-folder root
    (greenloop-test--bytes "f.ml" "one\r\ntwo\r\n")
    (find-file-noselect "f.ml")
    (let ((steps (greenloop-text-plan root (list (greenloop-test--file "f.ml" "one\r\ntwo\r\n" "one\ntwo\n")) nil)))
      (greenloop-text-write steps)
      (should (equal (greenloop-test--bytes "f.ml") "one\ntwo\n"))
      (greenloop-text-write (greenloop-text-inverse steps))
      (should (equal (greenloop-test--bytes "f.ml") "one\r\ntwo\r\n")))))

(ert-deftest greenloop-test-all-or-nothing ()
  "Where one file cannot be written, no other one stays changed; nothing is written over what was typed."
  (greenloop-test--in-folder root
    (greenloop-test--bytes "a.ml" "a\n")
    (greenloop-test--bytes "b.ml" "b\n")
    (greenloop-test--bytes "c" "in the way")
    (let ((files (list (greenloop-test--file "a.ml" "a\n" "A\n") (greenloop-test--file "c/d.ml" nil "new\n"))))
      (should-error (greenloop-text-write (greenloop-text-plan root files nil)) :type 'greenloop-text-refused)
      (should (equal (greenloop-test--bytes "a.ml") "a\n")))
    (with-current-buffer (find-file-noselect "b.ml")
      (setq buffer-read-only t)
      (should-error (greenloop-text-write (greenloop-text-plan root (list (greenloop-test--file "b.ml" "b\n" "B\n")) nil))
                    :type 'greenloop-text-refused)
      (setq buffer-read-only nil)
      (insert "typed ")
      (should-error (greenloop-text-plan root (list (greenloop-test--file "b.ml" "b\n" "B\n")) nil)
                    :type 'greenloop-text-refused)
      (should (equal (buffer-string) "typed b\n")))
    (should (equal (greenloop-test--bytes "b.ml") "b\n"))))

(ert-deftest greenloop-test-what-was-judged-is-saved ()
  "Nothing that formats a buffer as it is saved changes what is written: not for all buffers, not for this one."
  (greenloop-test--in-folder root
    (dolist (hook '(before-save-hook write-contents-functions write-file-functions))
      (dolist (local '(nil t))
        (greenloop-test--bytes "f.ml" "old\n")
        (with-current-buffer (find-file-noselect "f.ml")
          (let* ((format (lambda () (goto-char (point-max)) (insert "formatted") nil))
                 (plan (greenloop-text-plan root (list (greenloop-test--file "f.ml" "old\n" "new  \nno end")) nil)))
            (add-hook hook format nil local)
            (unwind-protect (greenloop-text-write plan) (remove-hook hook format local))
            (should (equal (greenloop-test--bytes "f.ml") "new  \nno end"))
            (should (equal (buffer-string) "new  \nno end"))
            (should-not (buffer-modified-p))
            (kill-buffer)))))))

(ert-deftest greenloop-test-a-step-that-fails-is-taken-back ()
  "The step that fails after it has written is taken back like those before it, and what was typed stays unsaved."
  (greenloop-test--in-folder root
    (dolist (file '("a.ml" "b.ml" "typed.ml")) (greenloop-test--bytes file "one\n"))
    (with-current-buffer (find-file-noselect "typed.ml") (insert "typed "))
    (let ((buffer (find-file-noselect "b.ml"))
          (after-save-hook (list (lambda () (when (equal (buffer-string) "two\n") (error "The hook fails"))))))
      (cl-loop
       for (last . renames) in
       (list (list (list (greenloop-test--file "b.ml" "one\n" "two\n" '(0 1 "one\n" "two\n" 0))))
             (cons (list (greenloop-test--file "b.ml" "one\n" nil) (greenloop-test--file "sub/c.ml" nil "two\n"))
                   '(("b.ml" . "sub/c.ml")))
             (list (list (greenloop-test--file "new.ml" nil "two\n"))))
       for files = (append (list (greenloop-test--file "typed.ml" "typed one\n" "typed 1\n")
                                 (greenloop-test--file "a.ml" "one\n" nil))
                           last)
       do
       (let ((refusal (should-error (greenloop-text-write (greenloop-text-plan root files renames))
                                    :type 'greenloop-text-refused)))
         (should (equal (cadr refusal) "The hook fails")))
       (should (equal (directory-files root nil "\\.ml\\'") '("a.ml" "b.ml" "typed.ml")))
       (should-not (and (file-exists-p "sub") (directory-files "sub" nil "\\.ml\\'")))
       (dolist (file '("a.ml" "b.ml" "typed.ml")) (should (equal (greenloop-test--bytes file) "one\n")))
       (with-current-buffer buffer
         (should (equal (list (buffer-string) buffer-file-name (buffer-modified-p))
                        (list "one\n" (expand-file-name "b.ml" root) nil))))
       (with-current-buffer (find-buffer-visiting "typed.ml")
         (should (equal (list (buffer-string) (buffer-modified-p)) '("typed one\n" t))))))))

(ert-deftest greenloop-test-rename-and-back ()
  "A renamed file takes its buffer along, with what was not saved; taking it back brings both back."
  (greenloop-test--in-folder root
    (greenloop-test--bytes "old.ml" "let x = 1\n")
    (with-current-buffer (find-file-noselect "old.ml")
      (goto-char (point-max))
      (insert "(* typed *)\n")
      (let* ((text "let x = 1\n(* typed *)\n")
             (steps (greenloop-text-plan root (list (greenloop-test--file "old.ml" text nil)
                                                    (greenloop-test--file "sub/new.ml" nil text))
                                         '(("old.ml" . "sub/new.ml")))))
        (greenloop-text-write steps)
        (should (equal buffer-file-name (expand-file-name "sub/new.ml" root)))
        (should (buffer-modified-p))
        (should-not (file-exists-p "old.ml"))
        (greenloop-text-write (greenloop-text-inverse steps))
        (should (equal buffer-file-name (expand-file-name "old.ml" root)))
        (should (equal (greenloop-test--bytes "old.ml") "let x = 1\n"))
        (should (equal (buffer-string) text))))))

(ert-deftest greenloop-test-an-untouched-buffer-follows-the-disk ()
  "Another program's change of a file is seen in a buffer that nobody edited."
  (greenloop-test--in-folder root
    (greenloop-test--bytes "f.ml" "old\n")
    (with-current-buffer (find-file-noselect "f.ml")
      (greenloop-test--bytes "f.ml" "new\n")
      (set-file-times "f.ml" (time-add nil 10))
      (should (equal (greenloop-text-now (expand-file-name "f.ml")) "new\n"))
      (should (equal (buffer-string) "new\n")))))

(ert-deftest greenloop-test-the-review-is-a-diff ()
  "Each hunk stands by itself with context, which none shares; `diff-mode' finds them all."
  (greenloop-test--in-folder root
    (greenloop-test--bytes "f.ml" "1\n2\n3\n4\n5\n6")
    (let* ((file (list :path "f.ml" :kind "change" :base_sha256 (greenloop-text-sha256 "1\n2\n3\n4\n5\n6")
                       :hunks (vector '(:id "1" :start 1 :end 2 :old "2\n" :new "two\n" :new_start 1)
                                      '(:id "2" :start 3 :end 3 :old "" :new "+\n" :new_start 3)
                                      '(:id "3" :start 5 :end 6 :old "6" :new "six" :new_start 6))))
           (suggestion (list :id "s" :label "1 error" :files (vector file) :flags ["it adds an escape"]
                             :problems [(:path "f.ml" :severity "error" :message "no\ngood" :range nil)]))
           (turn (greenloop-turn--make :suggestions (list suggestion) :state 'done
                                       :decided '((("s" . "2") . refused))
                                       :workspace (greenloop-link--workspace :root root))))
      (with-temp-buffer
        (greenloop-review-mode)
        (setq default-directory root
              greenloop-review-turn turn)
        (greenloop-review--fill suggestion)
        (let ((text (buffer-string)))
          (should (string-match-p "Suggestion: 1 error\nMistrust it: it adds an escape\nerror, f.ml line 1: no\n  good" text))
          (should (string-search (concat "@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n@@ -4,2 +4,3 @@ refused\n++\n 4\n 5\n"
                                         "@@ -6,1 +7,1 @@\n-6\n\\ No newline at end of file\n+six\n") text)))
        (goto-char (point-min))
        (should (equal (cl-loop repeat 3 do (diff-hunk-next) collect (get-text-property (point) 'greenloop-keys))
                       '((("s" . "1")) (("s" . "2")) (("s" . "3")))))
        (should-error (greenloop-review--decide #'ignore '(("s" . "2"))) :type 'user-error)))))

(defun greenloop-test--sent (method)
  "Return the requests METHOD that the peer was sent; wait for the first."
  (with-timeout (60 (error "The peer was not asked for %s" method))
    (let (found)
      (while (not (setq found
                        (cl-loop for text in (split-string (greenloop-test--bytes "sent") "Content-Length: [0-9]+\r\n\r\n" t)
                                 ;; the last one may not have come as a whole
                                 for one = (ignore-errors (json-parse-string text :object-type 'plist))
                                 when (equal method (plist-get one :method)) collect one)))
        (accept-process-output nil 0.05))
      found)))

(defun greenloop-test--say (&rest message)
  "Let the peer say MESSAGE, and wait until it is handled."
  (jsonrpc-connection-receive greenloop-link--connection message)
  (while greenloop-link--queue (accept-process-output nil 0.05)))

(defun greenloop-test--answer (method &rest result)
  "Let the peer answer the newest request METHOD with RESULT."
  (greenloop-test--say :id (plist-get (car (last (greenloop-test--sent method))) :id) :result result))

(defmacro greenloop-test--with-peer (root turn &rest body)
  "Do BODY with ROOT, a folder with the file f.ml, and TURN, for which a peer was asked.
The peer keeps what it is sent in the file `sent'."
  (declare (indent 2) (debug t))
  `(greenloop-test--in-folder ,root
     (greenloop-test--bytes "f.ml" "one\n")
     (greenloop-test--bytes "sent" "")
     (let* ((greenloop-turn-all nil)
            (greenloop-link--connection nil)
            (greenloop-command (list "sh" "-c" (format "cat >%s" (shell-quote-argument (expand-file-name "sent")))))
            (,turn (greenloop-turn-start (greenloop-link--workspace :root ,root :name "w") nil '(:kind "ask") nil)))
       (unwind-protect (progn ,@body)
         (jsonrpc-shutdown greenloop-link--connection)
         (while greenloop-link--queue (accept-process-output nil 0.05))))))

(defun greenloop-test--accept (turn old new name)
  "Accept a suggestion of TURN that changes f.ml from OLD to NEW; the acceptance has NAME."
  (let* ((hunks (vector (list :id "1" :start 0 :end 1 :old old :new new :new_start 0)))
         (suggestion (list :id name :files (vector (list :path "f.ml" :kind "change" :hunks hunks)))))
    (greenloop-turn-accept turn suggestion (greenloop-turn-keys suggestion))
    (greenloop-test--answer "suggestion/accept" :acceptance name :label "no error" :rebased :json-false
                            :files (vector (greenloop-test--file "f.ml" old new (list 0 1 old new 0))))))

(ert-deftest greenloop-test-cancelled-before-it-had-a-name ()
  "A turn that is cancelled at once is cancelled as soon as it has a name; what it found can still be accepted."
  (greenloop-test--with-peer root turn
    (greenloop-turn-cancel turn)
    (greenloop-test--answer "turn/start" :turn "t" :conversation "c")
    (should (equal (plist-get (car (greenloop-test--sent "turn/cancel")) :params) '(:turn "t")))
    (greenloop-test--say :method "turn/ended" :params '(:turn "t" :outcome "cancelled" :order []))
    (greenloop-test--accept turn "one\n" "two\n" "first")
    (should (equal (greenloop-test--bytes "f.ml") "two\n"))))

(ert-deftest greenloop-test-plain-undo-is-noticed ()
  "Plain `undo' takes acceptances back one by one; each is reported once, and no hook stays in the buffer."
  (greenloop-test--with-peer root turn
    (greenloop-test--answer "turn/start" :turn "t" :conversation "c")
    (greenloop-test--say :method "turn/ended" :params '(:turn "t" :outcome "done" :order []))
    (with-current-buffer (find-file-noselect "f.ml")
      (buffer-enable-undo)
      (greenloop-test--accept turn "one\n" "two\n" "first")
      (greenloop-test--accept turn "two\n" "three\n" "second")
      (should (equal (length (delq t (copy-sequence post-command-hook))) 1))
      (cl-loop for (text . reported) in '(("two\n" "second") ("one\n" "second" "first"))
               for last-command = nil then 'undo
               do
               (setq this-command 'undo)
               (undo)
               (run-hooks 'post-command-hook)
               (should (equal (buffer-string) text))
               (while (< (length (greenloop-test--sent "suggestion/undone")) (length reported))
                 (accept-process-output nil 0.05))
               (should (equal (mapcar (lambda (one) (plist-get (plist-get one :params) :acceptance))
                                      (greenloop-test--sent "suggestion/undone"))
                              reported)))
      (should-not (memq #'greenloop-turn--look post-command-hook))
      (should-not (greenloop-turn-last-acceptance (greenloop-turn-workspace turn))))))

(ert-deftest greenloop-test-questions-of-the-sidecar ()
  "A question is answered outside of the process filter, one at a time; one that is taken back is not answered."
  (greenloop-test--in-folder root
    (let* ((link (make-instance 'greenloop-link--class :name "test" :events-buffer-scrollback-size 0
                                :request-dispatcher #'greenloop-link--requested
                                :process (make-process :name "peer" :command '("sh" "-c" "cat >sent")
                                                       :connection-type 'pipe :noquery t)))
           (asked nil)
           (greenloop-approve-function
            (lambda (params)
              (push (plist-get params :tool) asked)
              (when (equal (plist-get params :tool) "two") (greenloop-link--notified nil '$/cancelRequest '(:id 2)))
              (accept-process-output nil 0.01)
              (when (equal (plist-get params :tool) "three") (signal 'quit nil))
              t)))
      (cl-loop for (id tool) in '((1 "one") (2 "two") (3 "three"))
               do (jsonrpc-connection-receive
                   link (list :id id :method "approval/request" :params (list :tool tool :arguments nil :why ""))))
      (should-not asked)
      (while greenloop-link--questions (accept-process-output nil 0.05))
      (should (equal (reverse asked) '("one" "two" "three")))
      (process-send-eof (jsonrpc--process link))
      (while (process-live-p (jsonrpc--process link)) (accept-process-output nil 0.05))
      (should (equal (replace-regexp-in-string "Content-Length: [0-9]+\r\n\r\n" "" (greenloop-test--bytes "sent"))
                     (concat "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"approved\":true}}"
                             "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"approved\":false}}"))))))

(ert-deftest greenloop-test-arguments-of-a-tool ()
  "Arguments are asked for as their schema says, and become JSON of their kind; what is optional may be left out."
  (let (given)
    (global-set-key [f5] (lambda () (interactive)
                           (setq given (greenloop-tools--arguments
                                        '(:arguments (:required ["count" "kind"]
                                                      :properties (:count (:type "integer") :deep (:type "boolean")
                                                                   :kind (:type "string" :enum ["red" "green"])
                                                                   :note (:type "string"))))))))
    (execute-kbd-macro (kbd "<f5> 3 RET f a TAB RET g TAB RET RET"))
    (should (equal (json-serialize given :false-object :json-false) "{\"count\":3,\"deep\":false,\"kind\":\"green\"}"))
    (should-error (execute-kbd-macro (kbd "<f5> x RET RET g TAB RET RET")) :type 'user-error)))

(ert-deftest greenloop-test-the-keys-of-the-page ()
  "Every key that docs/emacs.md names does what stands there."
  (let ((page (expand-file-name "../../../docs/emacs.md" (file-name-directory (locate-library "greenloop-test"))))
        named)
    (with-temp-buffer
      (insert-file-contents page)
      (while (re-search-forward "^| `\\([^`]+\\)` | .* | `\\([^`]+\\)` |$" nil t)
        (let ((keys (match-string 1))
              (command (intern (match-string 2))))
          (push command named)
          (if (string-prefix-p "C-c g " keys)
              (should (equal (plist-get (nth 2 (transient-get-suffix 'greenloop-menu (substring keys 6))) :command)
                             command))
            (should (cl-some (lambda (mode)
                               (with-temp-buffer
                                 (funcall mode)
                                 (eq (key-binding (kbd keys)) command)))
                             '(greenloop-talk-mode greenloop-review-mode)))))))
    (should (> (length named) 25))))

(ert-deftest greenloop-test-the-mode-comes-and-goes ()
  "The minor mode leaves no hook behind when it is turned off."
  (let ((greenloop-command '("sh" "-c" "cat >/dev/null")))
    (with-temp-buffer
      (greenloop-mode)
      (should (memq #'greenloop-build--saved after-save-hook))
      (should (memq #'greenloop-build-flymake flymake-diagnostic-functions))
      (should (equal (substring-no-properties (greenloop-build-lighter)) " Greenloop:off"))
      (greenloop-mode -1)
      (should-not (memq #'greenloop-build--saved after-save-hook))
      (should-not (memq #'greenloop-build-flymake flymake-diagnostic-functions)))
    (jsonrpc-shutdown greenloop-link--connection)))

(provide 'greenloop-test)
;;; greenloop-test.el ends here
