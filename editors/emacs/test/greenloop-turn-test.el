;;; greenloop-turn-test.el --- Turns, over a peer that says what a test lets it say  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; emacs -Q --batch -L . -L test -l greenloop-turn-test -f ert-run-tests-batch-and-exit

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'greenloop)
(require 'greenloop-stage)

(ert-deftest greenloop-test-cancelled-before-it-had-a-name ()
  "A turn that is cancelled at once is cancelled as soon as it has a name; what it found can still be accepted."
  (greenloop-stage-with-turn root turn
    (greenloop-turn-cancel turn)
    (greenloop-stage-answer "turn/start" :turn "t" :conversation "c")
    (should (equal (plist-get (car (greenloop-stage-sent "turn/cancel")) :params) '(:turn "t")))
    (greenloop-stage-say :method "turn/ended" :params '(:turn "t" :outcome "cancelled" :order []))
    (greenloop-stage-accept turn "one\n" "two\n" "first")
    (should (equal (greenloop-stage-bytes "f.ml") "two\n"))))

(ert-deftest greenloop-test-plain-undo-is-noticed ()
  "The keys of `undo' take acceptances back one by one; each is reported once, and no hook stays in the buffer."
  (greenloop-stage-with-turn root turn
    (greenloop-stage-answer "turn/start" :turn "t" :conversation "c")
    (greenloop-stage-say :method "turn/ended" :params '(:turn "t" :outcome "done" :order []))
    (switch-to-buffer (find-file-noselect "f.ml"))
    (buffer-enable-undo)
    (greenloop-stage-accept turn "one\n" "two\n" "first")
    (greenloop-stage-accept turn "two\n" "three\n" "second")
    (should (equal (length (delq t (copy-sequence post-command-hook))) 1))
    (execute-kbd-macro (kbd "C-/ C-/"))
    (should (equal (buffer-string) "one\n"))
    (should (equal (mapcar (lambda (one) (plist-get (plist-get one :params) :acceptance))
                           (greenloop-stage-sent "suggestion/undone" 2))
                   '("second" "first")))
    (should-not (memq #'greenloop-turn--look post-command-hook))
    (should-not (greenloop-turn-last-acceptance (greenloop-turn-workspace turn)))))

(ert-deftest greenloop-test-what-cannot-be-written-is-told ()
  "Where nothing can be written the sidecar hears why: a hook that fails, a folder in the file's place."
  (greenloop-stage-with-turn root turn
    (greenloop-stage-answer "turn/start" :turn "t" :conversation "c")
    (greenloop-stage-say :method "turn/ended" :params '(:turn "t" :outcome "done" :order []))
    (let ((after-save-hook (list (lambda () (when (equal (buffer-string) "two\n") (error "The hook fails"))))))
      (greenloop-stage-accept turn "one\n" "two\n" "first"))
    (should (equal (greenloop-stage-asked "suggestion/applied")
                   '(:acceptance "first" :applied :json-false :note "The hook fails")))
    (should (equal (greenloop-stage-bytes "f.ml") "one\n"))
    (kill-buffer (find-buffer-visiting "f.ml"))
    (let ((suggestion (greenloop-stage-suggestion "s" '("f.ml" ("1" 0 1 "one\n" "two\n" 0)))))
      (delete-file "f.ml")
      (make-directory "f.ml")
      (greenloop-turn-accept turn suggestion (greenloop-turn-keys suggestion))
      (greenloop-stage-answer "suggestion/accept" :acceptance "second" :label "no error" :rebased :json-false
                              :files (vector (greenloop-stage-file "f.ml" "one\n" "two\n"))))
    (let ((applied (greenloop-stage-asked "suggestion/applied" 2)))
      (should (equal (list (plist-get applied :acceptance) (plist-get applied :applied)) '("second" :json-false)))
      (should (string-search "irectory" (plist-get applied :note))))
    (should-not (greenloop-turn-last-acceptance (greenloop-turn-workspace turn)))))

(ert-deftest greenloop-test-a-selection-is-sent ()
  "What is asked by keys is about the selected region where there is one, else about the place of the cursor."
  (greenloop-stage-with-peer root
    (greenloop-stage-bytes "f.ml" "one\ntwo\ngrün\n")
    (switch-to-buffer (let ((coding-system-for-read 'utf-8)) (find-file-noselect "f.ml")))
    (goto-char (point-min))
    (let ((transient-mark-mode t))
      (global-set-key [f5] #'greenloop-ask)
      (execute-kbd-macro (kbd "C-n C-SPC C-n C-e <f5> shorter RET"))
      (should (equal (plist-get (greenloop-stage-asked "turn/start") :prompt) "shorter"))
      (should (equal (plist-get (greenloop-stage-asked "turn/start") :place)
                     '(:path "f.ml" :cursor (:line 2 :column 4)
                             :selection (:start (:line 1 :column 0) :end (:line 2 :column 4)))))
      (greenloop-stage-answer "turn/start" :turn "t" :conversation "c")
      (greenloop-stage-say :method "turn/ended" :params '(:turn "t" :outcome "done" :order [] :summary "Done."))
      (switch-to-buffer (find-buffer-visiting "f.ml"))
      (deactivate-mark)
      (execute-kbd-macro (kbd "C-p <f5> longer RET"))
      (should (equal (plist-get (greenloop-stage-asked "turn/start" 2) :place)
                     '(:path "f.ml" :cursor (:line 1 :column 3) :selection nil))))))

(ert-deftest greenloop-test-asked-again-at-the-place-as-it-is-now ()
  "Lines that came meanwhile move the cursor and the selection of a request, and its problems are the newest."
  (greenloop-stage-with-peer root
    (greenloop-stage-bytes "f.ml" "one\ntwo\nthree\n")
    (switch-to-buffer (find-file-noselect "f.ml"))
    (let ((transient-mark-mode t))
      (goto-char (greenloop-text-line 1))
      (set-mark (point))
      (goto-char (+ 2 (greenloop-text-line 2)))
      (activate-mark)
      (greenloop-ask "shorter")
      (should (equal (plist-get (greenloop-stage-asked "turn/start") :seen) []))
      (greenloop-stage-answer "turn/start" :turn "t" :conversation "c")
      (greenloop-stage-say :method "turn/ended" :params '(:turn "t" :outcome "done" :order [] :summary "Done."))
      (switch-to-buffer (find-buffer-visiting "f.ml"))
      (deactivate-mark)
      (goto-char (point-min))
      (insert "new\nlines\n")
      (goto-char (1+ (greenloop-text-line 4)))
      (insert "+")
      (goto-char (point-min)))
    (greenloop-stage-say :method "status/changed" :params '(:workspace "w" :state "red" :errors 1
                                                                       :problems [(:severity "error" :message "no")]))
    (greenloop-ask-again)
    (let ((asked (greenloop-stage-asked "turn/start" 2)))
      (should (equal (plist-get asked :place)
                     '(:path "f.ml" :cursor (:line 4 :column 3)
                             :selection (:start (:line 3 :column 0) :end (:line 4 :column 3)))))
      (should (equal (plist-get asked :seen) [(:severity "error" :message "no")]))
      (should (equal (plist-get asked :buffers) [(:path "f.ml" :text "new\nlines\none\ntwo\nt+hree\n")])))
    (greenloop-stage-answer "turn/start" :turn "u" :conversation "c")
    (greenloop-stage-say :method "turn/ended" :params '(:turn "u" :outcome "done" :order [] :summary "Done."))
    (with-current-buffer (find-buffer-visiting "f.ml")
      (set-buffer-modified-p nil)
      (kill-buffer))
    (with-current-buffer (greenloop-turn-talk (car greenloop-turn-all))
      (should (string-search "ask anew" (cadr (should-error (greenloop-ask-again) :type 'user-error)))))))

(ert-deftest greenloop-test-what-is-version-controls-own-is-not-sent ()
  "Neither buffers nor places in .git and .hg are sent; a file that is only called so is."
  (greenloop-stage-with-peer root
    (dolist (path '(".gitignore" "sub/.hg/last-message.txt" ".hg/last-message.txt" ".git/COMMIT_EDITMSG"))
      (make-directory (file-name-directory (expand-file-name path root)) t)
      (switch-to-buffer (find-file-noselect (expand-file-name path root)))
      (insert "unsaved"))
    (should (equal buffer-file-name (expand-file-name ".git/COMMIT_EDITMSG" root)))
    (greenloop-ask "shorter")
    (let ((asked (greenloop-stage-asked "turn/start")))
      (should (equal (plist-get asked :buffers) [(:path ".gitignore" :text "unsaved")]))
      (should (equal (plist-get (plist-get asked :place) :path) ".gitignore")))))

(ert-deftest greenloop-test-what-comes-behind-an-answer-is-heard ()
  "News in the same bytes as an answer for which a command waits are heard at once; a refusal has its way out."
  (greenloop-stage-with-peer root
    (let* ((workspace (greenloop-link-workspace))
           (framed (lambda (text) (format "Content-Length: %d\r\n\r\n%s" (string-bytes text) text)))
           (say (lambda (reply)
                  (let ((asked (plist-get (car (last (greenloop-stage-sent "tools/list"))) :id))
                        (process (jsonrpc--process greenloop-link--connection)))
                    (funcall (process-filter process) process
                             (concat (funcall framed (format "{\"jsonrpc\":\"2.0\",\"id\":%d,%s}" asked reply))
                                     (funcall framed (concat "{\"jsonrpc\":\"2.0\",\"method\":\"status/changed\",\"params\":"
                                                             "{\"workspace\":\"w\",\"state\":\"green\"}}"))))))))
      (run-at-time 0 nil say "\"result\":{\"tools\":[]}")
      (should (equal (greenloop-link-wait 'tools/list '(:workspace "w")) '(:tools [])))
      (while greenloop-link--queue (accept-process-output nil 0.05))
      (should (equal (plist-get (greenloop-workspace-status workspace) :state) "green")))
    (run-at-time 0 nil (lambda ()
                         (greenloop-stage-sent "tools/list" 2)
                         (greenloop-stage-answer "tools/list")
                         (greenloop-stage-reply "tools/list" :error '(:code -32000 :message "no" :data (:way_out "wait")))))
    (should (equal (cadr (should-error (greenloop-link-wait 'tools/list '(:workspace "w")) :type 'user-error))
                   "Greenloop: no (wait)"))))

(defun greenloop-turn-test--lighter (state)
  "Wait until the mode line says STATE."
  (with-timeout (60 (error "The mode line says %s" (greenloop-build-lighter)))
    (while (not (string-suffix-p (concat ":" state) (greenloop-build-lighter))) (accept-process-output nil 0.05))))

(ert-deftest greenloop-test-the-bridge-ends ()
  "After its end the workspace of a buffer that is followed is opened again; where that fails it is not tried again."
  (greenloop-stage-with-peer root
    (with-current-buffer (find-file-noselect "f.ml")
      (greenloop-mode)
      (greenloop-turn-test--lighter "unknown")
      (let* ((greenloop-stage--file (expand-file-name "sent again" root))
             (greenloop-command (list "sh" "-c" (format "cat >%s" (shell-quote-argument greenloop-stage--file))))
             (first greenloop-link--connection)
             greenloop-stage--answered)
        (greenloop-stage-bytes greenloop-stage--file "")
        (delete-process (jsonrpc--process first))
        (greenloop-turn-test--lighter "off")
        (should (equal (greenloop-stage-asked "workspace/open") (list :path (directory-file-name root))))
        (greenloop-stage-answer "workspace/open" :workspace "w" :root root :trusted t :toolchain "dune")
        (greenloop-turn-test--lighter "unknown")
        (should (equal (length (greenloop-stage-sent "workspace/open")) 1))
        ;; a program that ends before it has answered: what it was asked for is not open, and nobody starts it again
        (let ((greenloop-command (list "sh" "-c" (format "echo >>%s; exec cat >/dev/null"
                                                         (shell-quote-argument (expand-file-name "starts" root)))))
              (second greenloop-link--connection))
          (should-not (eq first second))
          (delete-process (jsonrpc--process second))
          (with-timeout (60 (error "Nothing was started"))
            (while (or (eq second greenloop-link--connection) (not (file-exists-p (expand-file-name "starts" root))))
              (accept-process-output nil 0.05)))
          (delete-process (jsonrpc--process greenloop-link--connection))
          (dotimes (_ 60) (accept-process-output nil 0.05))
          (should (equal (greenloop-stage-bytes "starts") "\n"))
          (greenloop-turn-test--lighter "off"))))))

(ert-deftest greenloop-test-no-log-of-messages-is-kept ()
  "The jsonrpc of this Emacs keeps no log of messages; how it is told so is not what Emacs 30 warns of."
  (greenloop-stage-with-peer root
    (greenloop-stage-say :method "status/changed" :params '(:workspace "w" :state "green"))
    (should (equal (plist-get (greenloop-workspace-status (greenloop-link-workspace)) :state) "green"))
    ;; it may have been told of the end of a connection before
    (with-current-buffer (jsonrpc-events-buffer greenloop-link--connection)
      (should-not (string-match-p "jsonrpc\\|status/changed\\|workspace" (buffer-string))))
    (should (equal (slot-value greenloop-link--connection '-events-buffer-config) '(:size 0)))))

(ert-deftest greenloop-test-questions-of-the-sidecar ()
  "A question is answered outside of the process filter, one at a time; one that is taken back is not answered."
  (greenloop-stage-in-folder root
    (let* ((link (make-instance 'greenloop-link--class :name "test"
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
      (should (equal (replace-regexp-in-string "Content-Length: [0-9]+\r\n\r\n" "" (greenloop-stage-bytes "sent"))
                     (concat "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"approved\":true}}"
                             "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"approved\":false}}"))))))

(provide 'greenloop-turn-test)
;;; greenloop-turn-test.el ends here
