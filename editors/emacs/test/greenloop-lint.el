;;; greenloop-lint.el --- Holds the layer to Emacs' own checks  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; emacs -Q --batch -L . -L test -l greenloop-lint -f greenloop-lint FILE...
;;
;; Byte-compilation with warnings as errors, checkdoc, and package-lint.  Each
;; finding is printed; with any of them Emacs ends with status 1.

;;; Code:

(require 'bytecomp)
(require 'checkdoc)
(require 'cl-lib)

(defvar greenloop-lint--ignored
  ;; Debian's package-lint 0.16 is older than Emacs 28
  '("This makes the package uninstallable in all released Emacs versions.")
  "Findings that say nothing of the layer.")

(defvar greenloop-lint--found nil "Whether anything was found.")

(defvar package-lint-main-file)
(declare-function package-lint-buffer "ext:package-lint")

(defun greenloop-lint--say (file line what)
  "Print WHAT was found in FILE at LINE."
  (setq greenloop-lint--found t)
  (princ (format "%s:%s: %s\n" (file-name-nondirectory file) line what)))

(defun greenloop-lint ()
  "Check the files that the command line names."
  (let ((files (mapcar #'expand-file-name command-line-args-left))
        (out (make-temp-file "greenloop-lint" t))
        (sentence-end-double-space t))
    (setq command-line-args-left nil
          package-lint-main-file (cl-find "greenloop.el" files :key #'file-name-nondirectory :test #'equal))
    (push (file-name-directory package-lint-main-file) load-path)
    (dolist (library '("let-alist-1.0.6" "package-lint-0.16"))
      (push (expand-file-name library "/usr/share/emacs/site-lisp/elpa-src/") load-path))
    (require 'package-lint)
    (dolist (file files)
      (let ((byte-compile-error-on-warn t)
            (byte-compile-dest-file-function
             (lambda (source) (expand-file-name (concat (file-name-nondirectory source) "c") out))))
        (unless (byte-compile-file file) (greenloop-lint--say file 0 "it does not compile without warnings")))
      (with-current-buffer (find-file-noselect file)
        (let ((checkdoc-create-error-function
               (lambda (text start _end &optional _unfixable)
                 (greenloop-lint--say file (line-number-at-pos (or start 1)) text)
                 nil)))
          (checkdoc-current-buffer t))
        (pcase-dolist (`(,line ,_column ,_type ,what) (package-lint-buffer))
          (unless (member what greenloop-lint--ignored) (greenloop-lint--say file line what)))))
    (delete-directory out t)
    (kill-emacs (if greenloop-lint--found 1 0))))

(provide 'greenloop-lint)
;;; greenloop-lint.el ends here
