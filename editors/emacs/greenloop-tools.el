;;; greenloop-tools.el --- The team's own tools  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; A tool is chosen by completion; its arguments are asked for one by one, as
;; their JSON schema describes them; what it answers goes to the conversation.

;;; Code:

(require 'cl-lib)
(require 'greenloop-talk)

(defun greenloop-tools--choose (tools)
  "Let the person choose one of TOOLS, and return it."
  (let* ((named (mapcar (lambda (tool) (cons (plist-get tool :name) tool)) tools))
         (completion-extra-properties
          (list :annotation-function
                (lambda (name)
                  (let ((tool (cdr (assoc name named))))
                    (concat "  " (car (split-string (or (plist-get tool :help) "") "\n"))
                            (and (eq t (plist-get tool :writes)) "  (writes)")
                            (and (not (string-empty-p (plist-get tool :blocked)))
                                 (format "  (blocked: %s)" (plist-get tool :blocked)))))))))
    (unless named (user-error "Greenloop: this workspace has no tools (greenloop.toml names them)"))
    (cdr (assoc (completing-read "Tool: " named nil t) named))))

(defun greenloop-tools--help (tool)
  "Show what TOOL does, and its arguments."
  (with-current-buffer (get-buffer-create "*Greenloop tool*")
    (let ((inhibit-read-only t)
          (needed (append (plist-get (plist-get tool :arguments) :required) nil)))
      (erase-buffer)
      (insert (format "%s%s\n\n%s\n\nArguments:\n" (plist-get tool :name)
                      (if (eq t (plist-get tool :writes)) " (may write; you are asked first)" "")
                      (plist-get tool :help)))
      (cl-loop for (key schema) on (plist-get (plist-get tool :arguments) :properties) by #'cddr
               for name = (substring (symbol-name key) 1)
               do (insert (format "- %s (%s%s) %s\n" name (or (plist-get schema :type) "any")
                                  (if (member name needed) "" ", optional")
                                  (or (plist-get schema :description) "")))))
    (goto-char (point-min))
    (special-mode)
    (display-buffer (current-buffer))))

(defun greenloop-tools--arguments (tool)
  "Ask for the arguments of TOOL, and return them as JSON has them."
  (let* ((schema (plist-get tool :arguments))
         (needed (append (plist-get schema :required) nil))
         (given (make-hash-table :test #'equal)))
    (cl-loop for (key property) on (plist-get schema :properties) by #'cddr
             for name = (substring (symbol-name key) 1)
             do (let ((value (greenloop-tools--read name property (member name needed))))
                  (unless (eq (car value) 'none) (puthash name (cdr value) given))))
    given))

(defun greenloop-tools--read (name schema needed)
  "Ask for the argument NAME of SCHEMA; return (KIND . VALUE).
KIND is `none' if it is not NEEDED and nothing was given."
  (let* ((type (plist-get schema :type))
         (choices (mapcar (lambda (one) (if (stringp one) one (json-serialize one)))
                          (if (equal type "boolean") '("true" "false") (plist-get schema :enum))))
         (preset (plist-get schema :default))
         (preset (cond ((null preset) nil) ((stringp preset) preset)
                       (t (json-serialize preset :false-object :json-false))))
         (prompt (format-prompt "%s%s" preset name (if needed "" " (optional)")))
         (text (if choices
                   (completing-read prompt choices nil needed nil nil (or preset (and needed (car choices))))
                 (read-string prompt nil nil preset))))
    (cond ((and (string-empty-p text) (not needed)) '(none))
          ((and (stringp type) (member type '("boolean" "integer" "number" "array" "object")))
           (cons 'some (condition-case nil
                           (json-parse-string text :null-object nil :false-object :json-false)
                         (json-error (user-error "Greenloop: %s has to be %s in JSON" name type)))))
          (t (cons 'some text)))))

;;;###autoload
(defun greenloop-tool ()
  "Run one of the team's tools; its answer is appended to the conversation."
  (interactive)
  (let* ((workspace (or greenloop-talk-workspace (greenloop-link-need-workspace)))
         (tools (append (plist-get (greenloop-link-wait
                                    'tools/list (list :workspace (greenloop-workspace-name workspace)))
                                   :tools)
                        nil))
         (tool (greenloop-tools--choose tools)))
    (unless (string-empty-p (plist-get tool :blocked))
      (user-error "Greenloop: %s: %s" (plist-get tool :name) (plist-get tool :blocked)))
    (greenloop-tools-call workspace (plist-get tool :name)
                          (save-window-excursion
                            (greenloop-tools--help tool)
                            (greenloop-tools--arguments tool)))))

(defun greenloop-tools-call (workspace name arguments)
  "Call the tool NAME of WORKSPACE with ARGUMENTS, a hash table."
  (message "Greenloop: running %s" name)
  (greenloop-link-call
   'tools/call (list :workspace (greenloop-workspace-name workspace) :name name :arguments arguments)
   (lambda (answer)
     (greenloop-talk-note workspace (format "Tool `%s`%s" name
                                            (if (eq t (plist-get answer :is_error)) " failed" ""))
                          (plist-get answer :text)))
   (lambda (fault)
     (greenloop-talk-note workspace (format "Tool `%s` did not run" name) (greenloop-link-said fault)))))

(provide 'greenloop-tools)
;;; greenloop-tools.el ends here
