;;; greenloop.el --- Changes of code that a real build has checked  -*- lexical-binding: t; -*-

;; Author: The Greenloop authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.2"))
;; Keywords: tools, languages
;; URL: https://example.org/greenloop
;; SPDX-License-Identifier: Apache-2.0
;;; Commentary:
;; Greenloop shows only changes that a build has checked.  All commands are in
;; `greenloop-menu'; bind it to a key, and turn `greenloop-global-mode' on.
;;; Code:
(require 'transient)
(require 'greenloop-build)
(require 'greenloop-review)

(defun greenloop-source-request (kind words &optional whole)
  "Return a request of KIND with WORDS about the person's place, or the WHOLE.
The place is made of markers: it moves with the text until it is sent."
  (let* ((workspace (greenloop-talk-workspace-here))
         (root (greenloop-workspace-root workspace))
         (source (and (not whole) (cl-find-if (apply-partially #'greenloop-text-path root)
                                              (cons (current-buffer) (buffer-list))))))
    (when (and buffer-file-name (not greenloop-mode)) (greenloop-mode))
    (list :kind kind :prompt words
          :whole_project (if source :json-false t)
          :place (and source
                      (with-current-buffer source
                        (mapcar #'copy-marker
                                (cons (point) (and (region-active-p) (list (region-beginning) (region-end))))))))))

(defun greenloop--ask (kind words &optional whole)
  "Start a turn of KIND with WORDS, about the WHOLE project or the place here."
  (when (and (string-blank-p words) (equal kind "ask")) (user-error "Greenloop: nothing was asked"))
  (greenloop-talk-ask (greenloop-talk-workspace-here) (greenloop-source-request kind words whole)))

;;;###autoload
(defun greenloop-ask (words)
  "Ask for the change that WORDS describe: here, or in the selection."
  (interactive (list (read-string (if (use-region-p) "Ask about the selection: " "Ask: "))))
  (greenloop--ask "ask" words))

(defun greenloop-ask-project (words)
  "Ask for the change that WORDS describe anywhere in the project."
  (interactive (list (read-string "Ask about the whole project: ")))
  (greenloop--ask "ask" words t))

;;;###autoload
(defun greenloop-fix (&optional words)
  "Fix the error at point, or else the next one.
With a prefix argument add WORDS of your own."
  (interactive (list (and current-prefix-arg (read-string "Fix the error, and mind: "))))
  (greenloop--ask "fix" (or words "")))

;;;###autoload
(defun greenloop-talk ()
  "Go to the conversation, to write a question there."
  (interactive)
  (pop-to-buffer (greenloop-talk-buffer (greenloop-talk-workspace-here)))
  (goto-char (point-max)))

(defun greenloop-ask-again ()
  "Make the newest request again, on the text and at the place as they are now."
  (interactive)
  (let* ((workspace (greenloop-talk-workspace-here))
         (turn (or (cl-find workspace greenloop-turn-all :key #'greenloop-turn-workspace)
                   (user-error "Greenloop: nothing was asked yet"))))
    (unless (cl-every #'marker-buffer (plist-get (greenloop-turn-request turn) :place))
      (user-error "Greenloop: the buffer of that request is gone; ask anew, from its file"))
    (greenloop-talk-ask workspace (greenloop-turn-request turn))))

(defun greenloop-cancel ()
  "Cancel the running turn."
  (interactive)
  (mapc #'greenloop-turn-cancel (or (greenloop-turn-running (greenloop-talk-workspace-here))
                                    (user-error "Greenloop: no turn is running")))
  (message "Greenloop: cancelling"))

(defun greenloop-undo ()
  "Take the newest accepted change back, in all of its files, in one step."
  (interactive)
  (greenloop-turn-undo (or (greenloop-turn-last-acceptance (greenloop-talk-workspace-here))
                           (user-error "Greenloop: there is nothing to take back"))))

(defun greenloop-trust (trusted)
  "Say whether this workspace may be built and run, in a sandbox: TRUSTED."
  (interactive (list (yes-or-no-p "May Greenloop build and run this workspace, in a sandbox? ")))
  (greenloop-link-trust (or (greenloop-link-workspace) (greenloop-link-need-workspace)) trusted)
  (message "Greenloop: this workspace is %s" (if trusted "trusted" "not trusted: nothing of it is built")))

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
         (tools (greenloop-link-wait 'tools/list (list :workspace (greenloop-workspace-name workspace))))
         (tool (greenloop-tools--choose (append (plist-get tools :tools) nil))))
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
   (lambda (fault) (greenloop-talk-note workspace (format "Tool %s, not run" name) (greenloop-link-said fault)))))

;;;###autoload (autoload 'greenloop-menu "greenloop" nil t)
(transient-define-prefix greenloop-menu ()
  "All that Greenloop does."
  [["Ask"
    ("a" "here, or the selection" greenloop-ask)
    ("p" "the whole project" greenloop-ask-project)
    ("f" "fix the error" greenloop-fix)
    ("g" "again, on the new text" greenloop-ask-again)
    ("k" "cancel" greenloop-cancel)]
   ["Suggestion"
    ("r" "review" greenloop-review)
    ("y" "accept all" greenloop-accept-all)
    ("x" "refuse all" greenloop-refuse-all)
    ("u" "undo" greenloop-undo)
    ("n" "next change" next-error :transient t)]
   ["More"
    ("t" "conversation" greenloop-talk)
    ("o" "run a tool" greenloop-tool)
    ("!" "trust this workspace" greenloop-trust)]])

(provide 'greenloop)
;;; greenloop.el ends here
