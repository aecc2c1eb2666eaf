;;; greenloop.el --- Changes of code that a real build has checked  -*- lexical-binding: t; -*-

;; Author: The Greenloop authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: tools, languages
;; URL: https://example.org/greenloop
;; SPDX-License-Identifier: Apache-2.0
;;; Commentary:
;; Greenloop shows only changes that a build has checked.  Ask for one with
;; `greenloop-ask', have the current error fixed with `greenloop-fix', or
;; write in the conversation, `greenloop-talk'.  All commands are in
;; `greenloop-menu'; bind it to a key, and turn `greenloop-global-mode' on for
;; build status and build errors.

;;; Code:

(require 'cl-lib)
(require 'transient)
(require 'greenloop-build)
(require 'greenloop-review)
(require 'greenloop-talk)
(require 'greenloop-tools)

(defun greenloop--source (root)
  "Return the buffer below ROOT that the person was last in, nil if there is none."
  (cl-find-if (apply-partially #'greenloop-text-path root) (cons (current-buffer) (buffer-list))))

(defun greenloop-source-request (kind words &optional whole)
  "Return a request of KIND with WORDS about the person's place, or the WHOLE."
  (let* ((workspace (greenloop-talk-workspace-here))
         (root (greenloop-workspace-root workspace))
         (source (and (not whole) (greenloop--source root))))
    (when (and buffer-file-name (not greenloop-mode)) (greenloop-mode))
    (list :kind kind :prompt words
          :whole_project (if source :json-false t)
          :seen (or (plist-get (greenloop-workspace-status workspace) :problems) [])
          :place (and source
                      (with-current-buffer source
                        (list :path (greenloop-text-path root)
                              :cursor (greenloop-text-position (point))
                              :selection (and (region-active-p)
                                              (list :start (greenloop-text-position (region-beginning))
                                                    :end (greenloop-text-position (region-end))))))))))

(defun greenloop--ask (kind words &optional whole)
  "Start a turn of KIND with WORDS, about the WHOLE project or the place here."
  (when (and (string-blank-p words) (equal kind "ask")) (user-error "Greenloop: nothing was asked"))
  (greenloop-talk-ask (greenloop-talk-workspace-here) (greenloop-source-request kind words whole)
                      (if (string-blank-p words) "Fix the error." words)))

;;;###autoload
(defun greenloop-ask (words)
  "Ask for the change that WORDS describe: here, or in the selection."
  (interactive (list (read-string (if (use-region-p) "Ask about the selection: " "Ask: "))))
  (greenloop--ask "ask" words))

;;;###autoload
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

;;;###autoload
(defun greenloop-ask-again ()
  "Make the newest request again, on the text as it is now."
  (interactive)
  (let* ((workspace (greenloop-talk-workspace-here))
         (turn (or (cl-find workspace greenloop-turn-all :key #'greenloop-turn-workspace)
                   (user-error "Greenloop: nothing was asked yet")))
         (words (plist-get (greenloop-turn-request turn) :prompt)))
    (greenloop-talk-ask workspace (greenloop-turn-request turn)
                        (if (string-blank-p words) "Fix the error." words))))

;;;###autoload
(defun greenloop-cancel ()
  "Cancel the running turn."
  (interactive)
  (mapc #'greenloop-turn-cancel (or (greenloop-turn-running (greenloop-talk-workspace-here))
                                    (user-error "Greenloop: no turn is running")))
  (message "Greenloop: cancelling"))

;;;###autoload
(defun greenloop-undo ()
  "Take the newest accepted change back, in all of its files, in one step."
  (interactive)
  (greenloop-turn-undo (or (greenloop-turn-last-acceptance (greenloop-talk-workspace-here))
                           (user-error "Greenloop: there is nothing to take back"))))

;;;###autoload
(defun greenloop-trust (trusted)
  "Say whether this workspace may be built and run, in a sandbox: TRUSTED."
  (interactive (list (yes-or-no-p "May Greenloop build and run this workspace, in a sandbox? ")))
  (greenloop-link-trust (greenloop-talk-workspace-here) trusted)
  (message "Greenloop: this workspace is %s" (if trusted "trusted" "not trusted: nothing of it is built")))

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
