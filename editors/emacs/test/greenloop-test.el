;;; greenloop-test.el --- What the corpus does not reach  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; emacs -Q --batch -L . -L test -l greenloop-test -f ert-run-tests-batch-and-exit
;;
;; No sidecar here: how texts are read, written and taken back, and what needs none.

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'greenloop)
(require 'greenloop-stage)

(ert-deftest greenloop-test-bytes-survive ()
  "A buffer's text is the bytes of its file, whatever its coding system; other bytes are named."
  (greenloop-stage-in-folder root
    (dolist (bytes (list "a\nb" "a\r\nb\r\n" "a\r\nb\n" "\357\273\277bom\n" "gr\303\274n \360\237\245\233\r\n" ""))
      (greenloop-stage-bytes "f.ml" bytes)
      (with-current-buffer (find-file-noselect "f.ml")
        (should (equal bytes (encode-coding-string (greenloop-text-of (current-buffer)) 'utf-8-unix)))
        (kill-buffer)))
    (greenloop-stage-bytes "f.ml" "gr\374n\n")
    (with-current-buffer (let ((coding-system-for-read 'latin-1)) (find-file-noselect "f.ml"))
      (should-not (greenloop-text-of (current-buffer)))
      (insert "x")
      (should (equal (greenloop-text-unsaved root) [])))))

(ert-deftest greenloop-test-hunks-keep-places ()
  "Hunks are written as one step of undo; a cursor elsewhere keeps its place, and narrowing its bounds."
  (greenloop-stage-in-folder root
    (greenloop-stage-bytes "f.ml" "one\r\ntwo\r\nthree\r\n")
    (with-current-buffer (find-file-noselect "f.ml")
      (buffer-enable-undo)
      (search-forward "thr")
      (narrow-to-region (line-beginning-position) (point-max))
      (greenloop-text-write
       (greenloop-text-plan root (list (greenloop-stage-file "f.ml" "one\r\ntwo\r\nthree\r\n" "eins\r\ndrei\r\ntwo\r\nthree\r\n"
                                                             '(0 1 "one\r\n" "eins\r\ndrei\r\n" 0)))
                            nil))
      (should (looking-at "ee$"))
      (should (equal (buffer-string) "three\n"))
      (should (equal (greenloop-stage-bytes "f.ml") "eins\r\ndrei\r\ntwo\r\nthree\r\n"))
      (widen)
      (undo-boundary)
      (let ((last-command nil)) (undo))
      (should (equal (buffer-string) "one\ntwo\nthree\n")))))

(ert-deftest greenloop-test-line-ends-may-change ()
  "A change of all line ends is written as it was handed over."
  (greenloop-stage-in-folder root
    (greenloop-stage-bytes "f.ml" "one\r\ntwo\r\n")
    (find-file-noselect "f.ml")
    (let ((steps (greenloop-text-plan root (list (greenloop-stage-file "f.ml" "one\r\ntwo\r\n" "one\ntwo\n")) nil)))
      (greenloop-text-write steps)
      (should (equal (greenloop-stage-bytes "f.ml") "one\ntwo\n"))
      (greenloop-text-write (greenloop-text-inverse steps))
      (should (equal (greenloop-stage-bytes "f.ml") "one\r\ntwo\r\n")))))

(ert-deftest greenloop-test-all-or-nothing ()
  "Where one file cannot be written, no other one stays changed; nothing is written over what was typed."
  (greenloop-stage-in-folder root
    (greenloop-stage-bytes "a.ml" "a\n")
    (greenloop-stage-bytes "b.ml" "b\n")
    (greenloop-stage-bytes "c" "in the way")
    (let ((files (list (greenloop-stage-file "a.ml" "a\n" "A\n") (greenloop-stage-file "c/d.ml" nil "new\n"))))
      (should-error (greenloop-text-write (greenloop-text-plan root files nil)) :type 'greenloop-text-refused)
      (should (equal (greenloop-stage-bytes "a.ml") "a\n")))
    (with-current-buffer (find-file-noselect "b.ml")
      (setq buffer-read-only t)
      (should-error (greenloop-text-write (greenloop-text-plan root (list (greenloop-stage-file "b.ml" "b\n" "B\n")) nil))
                    :type 'greenloop-text-refused)
      (setq buffer-read-only nil)
      (insert "typed ")
      (should-error (greenloop-text-plan root (list (greenloop-stage-file "b.ml" "b\n" "B\n")) nil)
                    :type 'greenloop-text-refused)
      (should (equal (buffer-string) "typed b\n")))
    (should (equal (greenloop-stage-bytes "b.ml") "b\n"))))

(ert-deftest greenloop-test-what-was-judged-is-saved ()
  "Nothing that formats a buffer as it is saved changes what is written: not for all buffers, not for this one."
  (greenloop-stage-in-folder root
    (dolist (hook '(before-save-hook write-contents-functions write-file-functions))
      (dolist (local '(nil t))
        (greenloop-stage-bytes "f.ml" "old\n")
        (with-current-buffer (find-file-noselect "f.ml")
          (let* ((format (lambda () (goto-char (point-max)) (insert "formatted") nil))
                 (plan (greenloop-text-plan root (list (greenloop-stage-file "f.ml" "old\n" "new  \nno end")) nil)))
            (add-hook hook format nil local)
            (unwind-protect (greenloop-text-write plan) (remove-hook hook format local))
            (should (equal (greenloop-stage-bytes "f.ml") "new  \nno end"))
            (should (equal (buffer-string) "new  \nno end"))
            (should-not (buffer-modified-p))
            (kill-buffer)))))))

(ert-deftest greenloop-test-a-step-that-fails-is-taken-back ()
  "The step that fails after it has written is taken back like those before it, and what was typed stays unsaved."
  (greenloop-stage-in-folder root
    (dolist (file '("a.ml" "b.ml" "typed.ml")) (greenloop-stage-bytes file "one\n"))
    (with-current-buffer (find-file-noselect "typed.ml") (insert "typed "))
    (let ((buffer (find-file-noselect "b.ml"))
          (after-save-hook (list (lambda () (when (equal (buffer-string) "two\n") (error "The hook fails"))))))
      (cl-loop
       for (last . renames) in
       (list (list (list (greenloop-stage-file "b.ml" "one\n" "two\n" '(0 1 "one\n" "two\n" 0))))
             (cons (list (greenloop-stage-file "b.ml" "one\n" nil) (greenloop-stage-file "sub/c.ml" nil "two\n"))
                   '(("b.ml" . "sub/c.ml")))
             (list (list (greenloop-stage-file "new.ml" nil "two\n"))))
       for files = (append (list (greenloop-stage-file "typed.ml" "typed one\n" "typed 1\n")
                                 (greenloop-stage-file "a.ml" "one\n" nil))
                           last)
       do
       (let ((refusal (should-error (greenloop-text-write (greenloop-text-plan root files renames))
                                    :type 'greenloop-text-refused)))
         (should (equal (cadr refusal) "The hook fails")))
       (should (equal (directory-files root nil "\\.ml\\'") '("a.ml" "b.ml" "typed.ml")))
       (should-not (and (file-exists-p "sub") (directory-files "sub" nil "\\.ml\\'")))
       (dolist (file '("a.ml" "b.ml" "typed.ml")) (should (equal (greenloop-stage-bytes file) "one\n")))
       (with-current-buffer buffer
         (should (equal (list (buffer-string) buffer-file-name (buffer-modified-p))
                        (list "one\n" (expand-file-name "b.ml" root) nil))))
       (with-current-buffer (find-buffer-visiting "typed.ml")
         (should (equal (list (buffer-string) (buffer-modified-p)) '("typed one\n" t))))))))

(ert-deftest greenloop-test-what-cannot-be-put-back-is-named ()
  "Where a failed step cannot be taken back as a whole the person hears of each file that is not as before."
  (greenloop-stage-in-folder root
    (dolist (file '("a.ml" "b.ml")) (greenloop-stage-bytes file "one\n"))
    (let* ((after-save-hook (list (lambda ()
                                    (when (equal (buffer-string) "two\n")
                                      (make-directory (expand-file-name "a.ml" root))
                                      (error "The hook fails")))))
           (files (list (greenloop-stage-file "a.ml" "one\n" nil) (greenloop-stage-file "b.ml" "one\n" "two\n")))
           (refusal (should-error (greenloop-text-write (greenloop-text-plan root files nil))
                                  :type 'greenloop-text-refused)))
      (should (equal (cadr refusal) (format "The hook fails; %sa.ml could not be put back" root)))
      (should (equal (greenloop-stage-bytes "b.ml") "one\n")))))

(ert-deftest greenloop-test-rename-and-back ()
  "A renamed file takes its buffer along, with what was not saved; taking it back brings both back."
  (greenloop-stage-in-folder root
    (greenloop-stage-bytes "old.ml" "let x = 1\n")
    (with-current-buffer (find-file-noselect "old.ml")
      (goto-char (point-max))
      (insert "(* typed *)\n")
      (let* ((text "let x = 1\n(* typed *)\n")
             (steps (greenloop-text-plan root (list (greenloop-stage-file "old.ml" text nil)
                                                    (greenloop-stage-file "sub/new.ml" nil text))
                                         '(("old.ml" . "sub/new.ml")))))
        (greenloop-text-write steps)
        (should (equal buffer-file-name (expand-file-name "sub/new.ml" root)))
        (should (buffer-modified-p))
        (should-not (file-exists-p "old.ml"))
        (greenloop-text-write (greenloop-text-inverse steps))
        (should (equal buffer-file-name (expand-file-name "old.ml" root)))
        (should (equal (greenloop-stage-bytes "old.ml") "let x = 1\n"))
        (should (equal (buffer-string) text))))))

(ert-deftest greenloop-test-who-may-read-a-script-may-run-it ()
  "A new script can be run, a renamed one goes on so, one that comes back is as it was; a file that stays keeps its bits."
  (greenloop-stage-in-folder root
    (pcase-dolist (`(,file . ,modes) '(("gone.sh" . #o740) ("old.sh" . #o755) ("stays.sh" . #o640)))
      (greenloop-stage-bytes file "old\n")
      (set-file-modes file modes))
    (with-current-buffer (find-file-noselect "old.sh") (goto-char (point-max)) (insert "typed\n"))
    (let* ((script (lambda (file) (append file '(:executable t))))
           (steps (greenloop-text-plan
                   root (list (funcall script (greenloop-stage-file "new.sh" nil "#!/bin/sh\n"))
                              (greenloop-stage-file "plain" nil "no script\n")
                              (greenloop-stage-file "gone.sh" "old\n" nil)
                              (funcall script (greenloop-stage-file "stays.sh" "old\n" "new\n"))
                              (greenloop-stage-file "old.sh" "old\ntyped\n" nil)
                              (funcall script (greenloop-stage-file "moved.sh" nil "old\ntyped\n")))
                   '(("old.sh" . "moved.sh")))))
      (with-file-modes #o750 (greenloop-text-write steps))
      (should (equal (mapcar #'file-modes '("new.sh" "plain" "stays.sh" "moved.sh")) '(#o750 #o640 #o640 #o755)))
      (greenloop-text-write (greenloop-text-inverse steps))
      (should (equal (mapcar #'file-modes '("gone.sh" "stays.sh" "old.sh")) '(#o740 #o640 #o755)))
      (should (equal (directory-files root nil "^[^.]") '("gone.sh" "old.sh" "stays.sh"))))))

(ert-deftest greenloop-test-what-is-saved-is-what-was-judged ()
  "No word of a text, and no name of a file, decides how it is saved, or where."
  (greenloop-stage-in-folder root
    (let* ((texts '(("latin.ml" . "(* -*- coding: latin-1 -*- *)\nlet e = \"\u00e9\"\n")
                    ("wide.ml" . "(* -*- coding: utf-16 -*- *)\nlet e = 1\n")
                    ("mark.ml" . "(* -*- coding: utf-8-with-signature -*- *)\n")
                    ("dos.ml" . "(* -*- coding: utf-8-dos -*- *)\nlet e = 1\n")
                    ("packed.gz" . "no archive\n")
                    ("~/profile" . "no home\n"))))
      (greenloop-text-write
       (greenloop-text-plan root (mapcar (lambda (one) (greenloop-stage-file (car one) nil (cdr one))) texts) nil))
      (pcase-dolist (`(,name . ,text) texts)
        (should (equal (with-temp-buffer
                         (set-buffer-multibyte nil)
                         (insert-file-contents-literally (expand-file-name (concat "./" name) root))
                         (buffer-string))
                       (encode-coding-string text 'utf-8-unix)))))))

(ert-deftest greenloop-test-an-untouched-buffer-follows-the-disk ()
  "Another program's change of a file is seen in a buffer that nobody edited."
  (greenloop-stage-in-folder root
    (greenloop-stage-bytes "f.ml" "old\n")
    (with-current-buffer (find-file-noselect "f.ml")
      (greenloop-stage-bytes "f.ml" "new\n")
      (set-file-times "f.ml" (time-add nil 10))
      (should (equal (greenloop-text-now (expand-file-name "f.ml")) "new\n"))
      (should (equal (buffer-string) "new\n")))))

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
