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
                    (concat "  " (car (split-string (plist-get tool :help) "\n"))
                            (if (eq t (plist-get tool :writes)) "  (writes)" "")
                            (if (equal "" (plist-get tool :blocked)) ""
                              (format "  (blocked: %s)" (plist-get tool :blocked)))))))))
    (unless named (user-error "Greenloop: this workspace has no tools (greenloop.toml names them)"))
    (cdr (assoc (completing-read "Tool: " named nil t) named))))

(defun greenloop-tools--help (tool)
  "Show what TOOL does, and its arguments."
  (greenloop-link-show
   "*Greenloop tool*"
   (format "%s%s\n\n%s\n\nArguments:\n" (plist-get tool :name)
           (if (eq t (plist-get tool :writes)) " (may write; you are asked first)" "") (plist-get tool :help))
   (cl-loop for (name schema) on (plist-get (plist-get tool :arguments) :properties) by #'cddr
            concat (format "- %s (%s) %s\n" (substring (symbol-name name) 1) (or (plist-get schema :type) "any")
                           (or (plist-get schema :description) "")))))

(defun greenloop-tools--arguments (tool)
  "Ask for the arguments of TOOL, and return them as JSON has them."
  (let* ((schema (plist-get tool :arguments))
         (given (make-hash-table :test #'equal)))
    (cl-loop for (key property) on (plist-get schema :properties) by #'cddr
             for name = (substring (symbol-name key) 1)
             for needed = (seq-contains-p (plist-get schema :required) name)
             for text = (greenloop-tools--read name property needed)
             unless (and (string-empty-p text) (not needed))
             do (puthash name (if (member (plist-get property :type) '("boolean" "integer" "number" "array" "object"))
                                  (condition-case nil
                                      (json-parse-string text :null-object nil :false-object :json-false)
                                    (json-error (user-error "Greenloop: %s has to be %s in JSON" name
                                                            (plist-get property :type))))
                                text)
                         given))
    given))

(defun greenloop-tools--read (name schema needed)
  "Ask for the argument NAME of SCHEMA, which may be empty unless NEEDED."
  (let* ((shown (lambda (value) (if (stringp value) value (json-serialize value :false-object :json-false))))
         (choices (mapcar shown (if (equal (plist-get schema :type) "boolean") '("true" "false")
                                  (plist-get schema :enum))))
         (preset (and (plist-get schema :default) (funcall shown (plist-get schema :default))))
         (prompt (format-prompt "%s%s" preset name (if needed "" " (optional)"))))
    (if choices (completing-read prompt choices nil needed nil nil (or preset ""))
      (read-string prompt nil nil preset))))

;;;###autoload
(defun greenloop-tool ()
  "Run one of the team's tools; its answer is appended to the conversation."
  (interactive)
  (let* ((workspace (greenloop-talk-workspace-here))
         (tool (greenloop-tools--choose
                (append (plist-get (greenloop-link-wait
                                    'tools/list (list :workspace (greenloop-workspace-name workspace)))
                                   :tools)
                        nil))))
    (unless (equal "" (plist-get tool :blocked))
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
     (greenloop-talk-note workspace (concat "Tool " name (if (eq t (plist-get answer :is_error)) ", failed" ""))
                          (plist-get answer :text)))
   (lambda (fault)
     (greenloop-talk-note workspace (format "Tool %s, not run" name) (greenloop-link-said fault)))))

(provide 'greenloop-tools)
;;; greenloop-tools.el ends here
