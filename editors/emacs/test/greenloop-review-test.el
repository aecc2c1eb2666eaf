;;; greenloop-review-test.el --- How a suggestion stands in the review  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; emacs -Q --batch -L . -L test -l greenloop-review-test -f ert-run-tests-batch-and-exit

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'greenloop)
(require 'ediff)
(require 'greenloop-stage)

(ert-deftest greenloop-test-the-review-is-a-diff ()
  "Each hunk stands by itself with context, which none shares; `diff-mode' finds them all."
  (greenloop-stage-in-folder root
    (greenloop-stage-bytes "f.ml" "1\n2\n3\n4\n5\n6")
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
        (diff-hunk-prev)
        (should (equal (cadr (should-error (greenloop-review-accept) :type 'user-error))
                       "Greenloop: this is decided already"))))))

(defmacro greenloop-review-test--with (review &rest body)
  "Do BODY in REVIEW, the review of two suggestions of a peer, first one first."
  (declare (indent 1) (debug t))
  `(greenloop-stage-with-turn root turn
     (greenloop-stage-bytes "f.ml" "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8")
     (greenloop-stage-answer "turn/start" :turn "t" :conversation "c")
     (dolist (one (list (greenloop-stage-suggestion "best" '("f.ml" ("1" 0 1 "1\r\n" "one\r\nund\r\n" 0)
                                                             ("2" 7 8 "8" "eight" 8)))
                        (greenloop-stage-suggestion "other" '("f.ml" ("1" 2 2 "" "new\r\n" 2)))))
       (greenloop-stage-say :method "turn/candidate" :params (list :turn "t" :suggestion one :rank 9)))
     (greenloop-stage-say :method "turn/ended" :params '(:turn "t" :outcome "done" :order ["best" "other"]))
     (let ((,review (greenloop-review-find)))
       (save-window-excursion
         (switch-to-buffer ,review)
         ,@body))))

(defun greenloop-review-test--asked (method count)
  "Return the hunks of the COUNT-th request METHOD, and how many there were."
  (cons (plist-get (greenloop-stage-asked method count) :hunks) (length (greenloop-stage-sent method count))))

(ert-deftest greenloop-test-what-was-taken-back-is-open-again ()
  "After an undo the hunk is accepted once more by the same key, or refused; meanwhile it is decided."
  (greenloop-review-test--with review
    (let ((accept (lambda (count)
                    (goto-char (point-min))
                    (execute-kbd-macro (kbd "n a"))
                    (should (equal (greenloop-review-test--asked "suggestion/accept" count) (cons ["1"] count)))
                    (greenloop-stage-answer
                     "suggestion/accept" :acceptance (format "a%d" count) :label "no error" :rebased :json-false
                     :files (vector (greenloop-stage-file "f.ml" "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8"
                                                          "one\r\nund\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8")))
                    (goto-char (point-min))
                    (should (re-search-forward "@@ accepted$" nil t))
                    (should-error (greenloop-review-accept) :type 'user-error))))
      (dolist (count '(1 2))
        (funcall accept count)
        (execute-kbd-macro (kbd "u"))
        (should (equal (greenloop-stage-asked "suggestion/undone" count) (list :acceptance (format "a%d" count))))
        (should-not (string-match-p "@@ [a-z]" (buffer-string))))
      (goto-char (point-min))
      (execute-kbd-macro (kbd "n k"))
      (should (equal (greenloop-review-test--asked "suggestion/refuse" 1) '(["1"] . 1)))
      (should (equal (greenloop-stage-bytes "f.ml") "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8")))))

(ert-deftest greenloop-test-a-change-without-hunks-is-decided-singly ()
  "What is only renamed is accepted and refused by its path, alone, and with all that waits after a refused hunk."
  (cl-loop
   for (keys method hunks) in '(("n n a" "suggestion/accept" ["old.ml"]) ("n n f" "suggestion/accept" ["old.ml"])
                                ("n n k" "suggestion/refuse" ["old.ml"]) ("n k y" "suggestion/accept" ["old.ml"])
                                ("n n k y" "suggestion/accept" ["1"]) ("y" "suggestion/accept" nil))
   do (greenloop-stage-with-turn root turn
        (greenloop-stage-bytes "old.ml" "old\n")
        (greenloop-stage-answer "turn/start" :turn "t" :conversation "c")
        (let* ((suggestion (greenloop-stage-suggestion "s" '("f.ml" ("1" 0 1 "one\n" "two\n" 0)) '("old.ml")))
               (renamed (aref (plist-get suggestion :files) 1)))
          (plist-put renamed :kind "rename")
          (plist-put renamed :new_path "new.ml")
          (greenloop-stage-say :method "turn/candidate" :params (list :turn "t" :suggestion suggestion :rank 0)))
        (greenloop-stage-say :method "turn/ended" :params '(:turn "t" :outcome "done" :order ["s"]))
        (save-window-excursion
          (switch-to-buffer (greenloop-review-find))
          (goto-char (point-min))
          (execute-kbd-macro (kbd keys))
          (should (equal (cons keys (greenloop-review-test--asked method 1)) (cons keys (cons hunks 1))))
          (when (equal hunks ["old.ml"])
            (when (equal method "suggestion/accept")
              (greenloop-stage-answer "suggestion/accept" :acceptance "a" :label "no error" :rebased :json-false
                                      :files (vector (greenloop-stage-file "old.ml" "old\n" nil)
                                                     (greenloop-stage-file "new.ml" nil "old\n")))
              (should (equal (directory-files root nil "\\.ml\\'") '("f.ml" "new.ml")))
              (should (equal (greenloop-stage-bytes "new.ml") "old\n"))
              (greenloop-undo)
              (should (equal (directory-files root nil "\\.ml\\'") '("f.ml" "old.ml"))))
            (should (equal (greenloop-stage-bytes "f.ml") "one\n")))))))

(ert-deftest greenloop-test-keys-walk-the-review ()
  "The keys lead from hunk to hunk, and `]' from suggestion to suggestion, and round."
  (greenloop-review-test--with review
    (goto-char (point-min))
    (cl-loop for (keys . hunk) in '(("n" . "1") ("n" . "2") ("p" . "1"))
             do (execute-kbd-macro (kbd keys))
             (should (equal (get-text-property (point) 'greenloop-keys) (list (cons "best" hunk)))))
    (cl-loop for (name number) in '(("other" 2) ("best" 1))
             do (execute-kbd-macro (kbd "]"))
             (goto-char (point-min))
             (should (looking-at-p (format "Suggestion %d of 2: %s$" number name)))
             (should (equal (plist-get greenloop-review-suggestion :id) name)))
    ;; each was before the eyes, and is reported once
    (should (equal (mapcar (lambda (one) (plist-get (plist-get one :params) :suggestion))
                           (greenloop-stage-sent "suggestion/shown" 2))
                   '("best" "other")))))

(ert-deftest greenloop-test-next-error-walks-the-changes ()
  "From any window `next-error' leads through the changes, each at its place in the file."
  (greenloop-review-test--with review
    (switch-to-buffer "*scratch*")
    (cl-loop for line in '(1 8)
             do (next-error)
             (set-buffer (window-buffer))
             (should (equal (list (file-name-nondirectory buffer-file-name) (line-number-at-pos)) (list "f.ml" line))))
    (should-error (next-error))))

(ert-deftest greenloop-test-ediff-of-a-suggestion ()
  "What `ediff' compares is the file before and after the change; the file itself is not touched."
  (greenloop-review-test--with review
    (let ((ediff-window-setup-function 'ediff-setup-windows-plain)
          before-file after-file)
      (goto-char (point-min))
      (diff-hunk-next)
      (execute-kbd-macro (kbd "C-c C-e"))
      (setq before-file (get-buffer "f.ml, before") after-file (get-buffer "f.ml, after"))
      (should (equal (with-current-buffer before-file (buffer-string)) "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8"))
      (should (equal (with-current-buffer after-file (buffer-string)) "one\r\nund\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\neight"))
      (should (cl-every (apply-partially #'buffer-local-value 'buffer-read-only) (list before-file after-file)))
      (with-current-buffer (cl-find-if (lambda (one) (buffer-local-value 'ediff-buffer-A one)) (buffer-list))
        (should (equal (list ediff-buffer-A ediff-buffer-B ediff-number-of-differences) (list before-file after-file 2)))
        (ediff-really-quit nil))
      (should (equal (greenloop-stage-bytes "f.ml") "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8")))))

(provide 'greenloop-review-test)
;;; greenloop-review-test.el ends here
