;;; greenloop-talk.el --- The conversation, an ordinary Markdown buffer  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; A conversation is a Markdown buffer.  Nothing in it is protected: move,
;; search, copy, kill, edit and save it like any text.  What stands below the
;; last heading `## You' is the next question; a key appends the answer to it,
;; and the heading for the one after.

;;; Code:

(require 'cl-lib)
(require 'greenloop-turn)

(declare-function markdown-mode "ext:markdown-mode")
(declare-function greenloop-ask-again "greenloop")
(declare-function greenloop-cancel "greenloop")
(declare-function greenloop-review "greenloop-review")
(declare-function greenloop-accept-all "greenloop-review")
(declare-function greenloop-refuse-all "greenloop-review")
(declare-function greenloop-source-request "greenloop")

(defvar-local greenloop-talk-workspace nil "The workspace that this conversation is about.")
(defvar-local greenloop-talk-conversation nil "Its name; nil until the first answer.")
(defvar-local greenloop-talk-turn nil "The newest turn of this conversation.")
(defvar-local greenloop-talk--end nil "Marker: where the answer goes on.")
(defvar-local greenloop-talk--draft nil "Marker: where the model's words begin while they come.")

(defconst greenloop-talk--question "## You\n\n")

(defvar greenloop-talk-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c C-c") #'greenloop-talk-send)
    (define-key map (kbd "C-c C-k") #'greenloop-cancel)
    (define-key map (kbd "C-c C-r") #'greenloop-review)
    (define-key map (kbd "C-c C-a") #'greenloop-accept-all)
    (define-key map (kbd "C-c C-d") #'greenloop-refuse-all)
    (define-key map (kbd "C-c C-l") #'greenloop-ask-again)
    (define-key map (kbd "C-c C-n") #'greenloop-talk-new)
    (define-key map (kbd "C-c C-t") #'greenloop-talk-thoughts)
    map)
  "Keys of a conversation.")

(define-minor-mode greenloop-talk-mode
  "A conversation with Greenloop in a Markdown buffer."
  :lighter " Talk")

(defun greenloop-talk-buffer (workspace)
  "Return the buffer of the conversation in WORKSPACE; make one if need be."
  (let* ((root (greenloop-workspace-root workspace))
         (name (format "*Greenloop: %s*" (file-name-nondirectory (directory-file-name root))))
         (found (cl-find-if (lambda (buffer)
                              (let ((theirs (buffer-local-value 'greenloop-talk-workspace buffer)))
                                (and theirs (equal root (greenloop-workspace-root theirs)))))
                            (buffer-list))))
    (with-current-buffer (or found (generate-new-buffer name))
      (unless found
        (setq default-directory root)
        (if (require 'markdown-mode nil t) (markdown-mode) (text-mode))
        (visual-line-mode)
        (greenloop-talk-mode)
        (setq greenloop-talk--end (make-marker)
              greenloop-talk--draft (make-marker))
        (insert greenloop-talk--question))
      ;; after the connection was lost it is another one
      (setq greenloop-talk-workspace workspace)
      (current-buffer))))

(defun greenloop-talk-question ()
  "Return the text below the last heading of a question; point moves to its end."
  (goto-char (point-max))
  (let ((end (point)))
    (string-trim
     (if (re-search-backward "^## You[ \t]*$" nil t)
         (prog1 (buffer-substring-no-properties (match-end 0) end) (goto-char end))
       (goto-char end)
       ""))))

(defun greenloop-talk-send ()
  "Ask what stands below the last heading `## You', and append the answer."
  (interactive)
  (let ((words (greenloop-talk-question)))
    (when (string-empty-p words)
      (user-error "Greenloop: write a question below the last heading, ## You"))
    (greenloop-talk-ask greenloop-talk-workspace (greenloop-source-request "ask" words) words)))

(defun greenloop-talk-ask (workspace request words)
  "Append WORDS as a question, and start the turn of REQUEST in WORKSPACE."
  (when (greenloop-turn-running workspace)
    (user-error "Greenloop: a turn is running; cancel it first"))
  (let ((buffer (greenloop-talk-buffer workspace)))
    (with-current-buffer buffer
      (unless (equal (greenloop-talk-question) words)
        (greenloop-talk--heading greenloop-talk--question)
        (insert words))
      (greenloop-talk--heading "## Greenloop\n\n")
      (set-marker greenloop-talk--end (point))
      (set-marker greenloop-talk--draft nil)
      (greenloop-talk--follow (point-max) t)
      (setq greenloop-talk-turn
            (greenloop-turn-start workspace buffer request greenloop-talk-conversation)))
    (display-buffer buffer)
    greenloop-talk-turn))

(defun greenloop-talk--heading (heading)
  "Begin a section under HEADING at the end, unless an empty one stands there."
  (goto-char (point-max))
  (skip-chars-backward " \t\n")
  (delete-region (point) (point-max))
  (if (looking-back (concat "^" (regexp-quote (string-trim heading))) (line-beginning-position))
      (insert "\n\n")
    (unless (bobp) (insert "\n\n"))
    (insert heading)))

(defun greenloop-talk--follow (end &optional always)
  "Let the windows that show the end of this buffer go on to END; all if ALWAYS."
  (dolist (window (get-buffer-window-list nil nil t))
    (when (or always (>= (window-point window) (or (marker-position greenloop-talk--end) 0)))
      (set-window-point window end))))

(defun greenloop-talk--say (turn text)
  "Append TEXT to the answer of TURN."
  (let ((buffer (greenloop-turn-talk turn)))
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (let ((follow (cl-remove-if-not
                       (lambda (window) (= (window-point window) greenloop-talk--end))
                       (get-buffer-window-list nil nil t))))
          (save-excursion
            (goto-char greenloop-talk--end)
            (insert text)
            (set-marker greenloop-talk--end (point)))
          (dolist (window follow) (set-window-point window greenloop-talk--end)))))))

(defun greenloop-talk--news (turn what params)
  "Show in the conversation WHAT is new of TURN, with PARAMS."
  (when (buffer-live-p (greenloop-turn-talk turn))
    (with-current-buffer (greenloop-turn-talk turn)
      (pcase what
        ('started (setq greenloop-talk-conversation (greenloop-turn-conversation turn)))
        ('progress
         (greenloop-talk--undraft)
         (greenloop-talk--say turn (format "- %s\n" (plist-get params :text)))
         (message "Greenloop: %s" (plist-get params :text)))
        ('delta (unless (eq t (plist-get params :thought))
                  (greenloop-talk--draft turn params)))
        ('ended (greenloop-talk--ended turn params))
        ((or 'accepted 'refused 'undone 'stale)
         (greenloop-talk--say turn (format "\n%s\n" params))
         (message "Greenloop: %s%s" params
                  (if (eq what 'stale)
                      (substitute-command-keys " Ask again with \\[greenloop-ask-again].") "")))))))

(defun greenloop-talk--draft (turn params)
  "Show the words in PARAMS that the model says in TURN as they come."
  (unless (marker-position greenloop-talk--draft)
    (let ((start (marker-position greenloop-talk--end)))
      (greenloop-talk--say turn "\n~~~text\n")
      (set-marker greenloop-talk--draft start)))
  (greenloop-talk--say turn (plist-get params :text)))

(defun greenloop-talk--undraft ()
  "Remove the model's words: what was made of them has been judged, or comes anew."
  (when (marker-position greenloop-talk--draft)
    (delete-region greenloop-talk--draft greenloop-talk--end)
    (set-marker greenloop-talk--draft nil)))

(defun greenloop-talk--ended (turn news)
  "Show how TURN ended, as NEWS say, and begin the next question."
  (let ((fault (plist-get news :fault)))
    (greenloop-talk--undraft)
    (greenloop-talk--say
     turn
     (concat
      (and-let* ((text (plist-get news :text)) ((not (string-blank-p text)))) (format "\n%s\n" (string-trim text)))
      (mapconcat #'greenloop-talk--described (greenloop-turn-suggestions turn) "")
      "\n"
      (cond
       (fault (format "**Failed.** %s%s" (plist-get fault :message)
                      (if (string-empty-p (plist-get fault :way_out)) ""
                        (format " (%s)" (plist-get fault :way_out)))))
       ((eq (greenloop-turn-state turn) 'cancelled) "**Cancelled.**")
       (t (plist-get news :summary)))
      "\n"))
    (let ((at-end (cl-remove-if-not
                   (lambda (window) (= (window-point window) greenloop-talk--end))
                   (get-buffer-window-list nil nil t))))
      (save-excursion
        (goto-char (point-max))
        (when (= (point) greenloop-talk--end) (greenloop-talk--heading greenloop-talk--question)
              (set-marker greenloop-talk--end (save-excursion (forward-line -2) (point)))))
      (dolist (window at-end) (set-window-point window (point-max)))
      (unless at-end (goto-char (point-max))))
    (message "Greenloop: %s" (cond (fault (plist-get fault :message))
                                   ((eq (greenloop-turn-state turn) 'cancelled) "cancelled")
                                   (t (plist-get news :summary))))))

(defun greenloop-talk--described (suggestion)
  "Return SUGGESTION in words: its badge, why to mistrust it, its files."
  (concat
   (format "\n**%s**%s\n\n" (plist-get suggestion :label)
           (mapconcat (lambda (flag) (format "; mistrust it: %s" flag)) (plist-get suggestion :flags) ""))
   (mapconcat
    (lambda (file)
      (format "- `%s`: %s\n" (plist-get file :path)
              (pcase (plist-get file :kind)
                ("create" "a new file")
                ("delete" "goes")
                ("rename" (format "becomes `%s`" (plist-get file :new_path)))
                (_ (let ((count (length (plist-get file :hunks))))
                     (if (= count 1) "1 change" (format "%d changes" count)))))))
    (plist-get suggestion :files) "")
   (mapconcat (lambda (problem)
                (format "- %s: %s\n" (plist-get problem :severity)
                        (replace-regexp-in-string "\n" "\n  " (plist-get problem :message))))
              (plist-get suggestion :problems) "")))

(add-hook 'greenloop-turn-news-functions #'greenloop-talk--news)

(defun greenloop-talk-note (workspace title text)
  "Append TEXT under TITLE to the conversation of WORKSPACE, and show it."
  (let ((buffer (greenloop-talk-buffer workspace)))
    (with-current-buffer buffer
      (let ((words (greenloop-talk-question)))
        (when (string-empty-p words) (greenloop-talk--heading greenloop-talk--question)
              (forward-line -2)
              (delete-region (point) (point-max)))
        (greenloop-talk--heading (format "## %s\n\n" title))
        (insert "~~~text\n" (string-trim-right text "\n") "\n~~~\n")
        (greenloop-talk--heading greenloop-talk--question)
        (insert words)
        (greenloop-talk--follow (point-max) t)))
    (display-buffer buffer)
    (message "Greenloop: %s: %s" title text)))

;;;; Other conversations

(defun greenloop-talk-new ()
  "Begin a new conversation: the next question goes on with none."
  (interactive)
  (setq greenloop-talk-conversation nil)
  (goto-char (point-max))
  (greenloop-talk--heading greenloop-talk--question)
  (message "Greenloop: a new conversation"))

(defun greenloop-talk-thoughts ()
  "Show what the model thought in the newest turn."
  (interactive)
  (let ((thoughts (and greenloop-talk-turn (greenloop-turn-thoughts greenloop-talk-turn))))
    (unless thoughts (user-error "Greenloop: the model told no thoughts in this turn"))
    (with-help-window "*Greenloop thoughts*"
      (princ (string-join (reverse thoughts))))))

(defun greenloop-talk-resume (workspace conversation)
  "Go on in WORKSPACE with CONVERSATION, of which all that was said is shown."
  (let ((buffer (greenloop-talk-buffer workspace))
        (said (greenloop-link-wait 'conversation/read
                                   (list :conversation (plist-get conversation :conversation)))))
    (with-current-buffer buffer
      (greenloop-talk-new)
      (seq-doseq (entry (plist-get said :said))
        (greenloop-talk--heading (if (equal (plist-get entry :role) "person")
                                     greenloop-talk--question
                                   "## Greenloop\n\n"))
        (insert (string-trim (plist-get entry :text))))
      (greenloop-talk--heading greenloop-talk--question)
      (setq greenloop-talk-conversation (plist-get conversation :conversation)))
    (pop-to-buffer buffer)
    (goto-char (point-max))))

(provide 'greenloop-talk)
;;; greenloop-talk.el ends here
