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
;; `greenloop-menu'; bind it to a key:
;;
;;     (global-set-key (kbd "C-c g") #'greenloop-menu)
;;
;; and turn `greenloop-global-mode' on for build status and build errors.

;;; Code:

(require 'cl-lib)
(require 'transient)
(require 'greenloop-build)
(require 'greenloop-link)
(require 'greenloop-review)
(require 'greenloop-talk)
(require 'greenloop-tools)
(require 'greenloop-turn)

;;;; What a request is about

(defun greenloop--workspace ()
  "Return the workspace of the current buffer, opened if need be."
  (let ((workspace (cond (greenloop-talk-workspace)
                         (greenloop-review-turn (greenloop-turn-workspace greenloop-review-turn)))))
    ;; one that was opened over a connection that is lost is another one by now
    (if (and workspace (memq workspace (greenloop-link-workspaces)))
        workspace
      (prog1 (greenloop-link-need-workspace)
        (when (and buffer-file-name (not greenloop-mode)) (greenloop-mode))))))

(defun greenloop--source (root)
  "Return the buffer below ROOT that the person was last in, nil if there is none."
  (cl-find-if (lambda (buffer) (greenloop-text-path root buffer))
              (cons (current-buffer) (buffer-list))))

(defun greenloop--place (root)
  "Return the path, cursor and selection of the current buffer, a file below ROOT."
  (list :path (greenloop-text-path root)
        :cursor (greenloop-text-position (point))
        :selection (and (region-active-p)
                        (list :start (greenloop-text-position (region-beginning))
                              :end (greenloop-text-position (region-end))))))

(defun greenloop-source-request (kind words &optional whole)
  "Return a request of KIND with WORDS about the person's place, or the WHOLE."
  (let* ((workspace (greenloop--workspace))
         (root (greenloop-workspace-root workspace))
         (source (greenloop--source root)))
    (with-current-buffer (or source (current-buffer))
      (list :kind kind :prompt words
            :place (and source (not whole) (greenloop--place root))
            :whole_project (if (or whole (null source)) t :json-false)
            :seen (if source (greenloop-build-seen workspace) [])))))

(defun greenloop--start (kind words shown &optional whole)
  "Start a turn of KIND with WORDS, which the conversation has as SHOWN.
WHOLE: it is about the whole project."
  (let ((workspace (greenloop--workspace)))
    (greenloop-talk-ask workspace (greenloop-source-request kind words whole) shown)))

;;;; Commands

;;;###autoload
(defun greenloop-ask (words)
  "Ask for the change that WORDS describe: here, or in the selection."
  (interactive (list (read-string (if (use-region-p) "Ask about the selection: " "Ask: "))))
  (when (string-blank-p words) (user-error "Greenloop: nothing was asked"))
  (greenloop--start "ask" words words))

;;;###autoload
(defun greenloop-ask-project (words)
  "Ask for the change that WORDS describe anywhere in the project."
  (interactive (list (read-string "Ask about the whole project: ")))
  (when (string-blank-p words) (user-error "Greenloop: nothing was asked"))
  (greenloop--start "ask" words words t))

;;;###autoload
(defun greenloop-fix (&optional words)
  "Fix the error at point, or else the next one.
With a prefix argument add WORDS of your own."
  (interactive (list (and current-prefix-arg (read-string "Fix the error, and mind: "))))
  (greenloop--start "fix" (or words "")
                    (if (or (null words) (string-blank-p words)) "Fix the error." words)))

;;;###autoload
(defun greenloop-talk ()
  "Go to the conversation, to write a question there."
  (interactive)
  (pop-to-buffer (greenloop-talk-buffer (greenloop--workspace)))
  (goto-char (point-max)))

;;;###autoload
(defun greenloop-ask-again ()
  "Make the newest request again, on the text as it is now."
  (interactive)
  (let* ((workspace (greenloop--workspace))
         (root (greenloop-workspace-root workspace))
         (turn (or greenloop-review-turn
                   (cl-find root greenloop-turn-all :test #'equal
                            :key (lambda (one) (greenloop-workspace-root (greenloop-turn-workspace one))))
                   (user-error "Greenloop: nothing was asked yet")))
         (request (copy-sequence (greenloop-turn-request turn)))
         (words (plist-get request :prompt)))
    (when-let ((source (greenloop--source root)))
      (with-current-buffer source
        (setq request (plist-put request :seen (greenloop-build-seen workspace)))))
    (greenloop-talk-ask workspace request (if (string-blank-p words) "Fix the error." words))))

;;;###autoload
(defun greenloop-cancel ()
  "Cancel the turn that runs."
  (interactive)
  (let ((turns (greenloop-turn-running (greenloop--workspace))))
    (unless turns (user-error "Greenloop: no turn is running"))
    (mapc #'greenloop-turn-cancel turns)
    (message "Greenloop: cancelling")))

;;;###autoload
(defun greenloop-undo ()
  "Take the newest accepted change back, in all of its files, in one step."
  (interactive)
  (greenloop-turn-undo (or (greenloop-turn-last-acceptance (greenloop--workspace))
                           (user-error "Greenloop: there is nothing to take back"))))

;;;###autoload
(defun greenloop-trust (trusted)
  "Say whether this workspace may be built and run, in a sandbox: TRUSTED."
  (interactive (list (yes-or-no-p "May Greenloop build and run this workspace, in a sandbox? ")))
  (let ((workspace (greenloop--workspace)))
    (greenloop-link-trust workspace trusted)
    (message "Greenloop: %s is %s" (greenloop-workspace-root workspace)
             (if trusted "trusted" "not trusted: nothing of it is built"))))

;;;###autoload
(defun greenloop-explain ()
  "Show what exactly the newest turn sent, part by part."
  (interactive)
  (let* ((turn (or greenloop-review-turn greenloop-talk-turn
                   (car greenloop-turn-all) (user-error "Greenloop: nothing was asked yet")))
         (sent (greenloop-link-wait 'turn/explain (list :turn (greenloop-turn-id turn)))))
    (with-help-window "*Greenloop sent*"
      (seq-doseq (part (plist-get sent :parts))
        (princ (format "== %s: %s (%s, %d tokens)\n%s\n\n" (plist-get part :role) (plist-get part :plugin)
                       (plist-get part :why) (plist-get part :tokens) (plist-get part :text))))
      (seq-doseq (left (plist-get sent :left_out)) (princ (format "Left out: %s\n" left))))))

;;;###autoload
(defun greenloop-conversations ()
  "Choose an earlier conversation of this workspace, and go on with it."
  (interactive)
  (let* ((workspace (greenloop--workspace))
         (all (plist-get (greenloop-link-wait 'conversation/list
                                              (list :workspace (greenloop-workspace-name workspace)))
                         :conversations))
         (named (mapcar (lambda (one)
                          (cons (format "%s  %s" (format-time-string "%F %R" (plist-get one :time))
                                        (plist-get one :title))
                                one))
                        all))
         (ordered (lambda (string predicate action)
                    (if (eq action 'metadata) '(metadata (display-sort-function . identity))
                      (complete-with-action action named string predicate)))))
    (unless named (user-error "Greenloop: there is no earlier conversation here"))
    (greenloop-talk-resume workspace (cdr (assoc (completing-read "Conversation: " ordered nil t) named)))))

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
    ("n" "go to the next change" next-error :transient t)]
   ["More"
    ("t" "conversation" greenloop-talk)
    ("c" "earlier conversations" greenloop-conversations)
    ("o" "run a tool" greenloop-tool)
    ("e" "what was sent" greenloop-explain)
    ("!" "trust this workspace" greenloop-trust)]])

(provide 'greenloop)
;;; greenloop.el ends here
