;;; greenloop-talk.el --- The conversation, an ordinary Markdown buffer  -*- lexical-binding: t; -*-
;;; Commentary:
;; Nothing in a conversation is protected: it is edited like any text.  What stands
;; below the last heading `## You' is the next question.
;;; Code:
(require 'greenloop-turn)

(declare-function markdown-mode "ext:markdown-mode")
(declare-function greenloop-source-request "greenloop")

(defvar-local greenloop-talk-workspace nil "The workspace that this conversation is about.")
(defvar-local greenloop-talk-conversation nil "Its name; nil until the first answer.")
(defvar-local greenloop-talk-turn nil "The newest turn of this conversation.")
(defvar-local greenloop-talk--end nil "Marker: where the answer goes on.")
(defvar-local greenloop-talk--draft nil "Marker: where the model's words begin while they come.")

(defconst greenloop-talk--question "## You\n\n" "The heading of a question.")

(defvar greenloop-talk-mode-map
  (let ((map (make-sparse-keymap)))
    (cl-loop for (key command) in
             '(("\C-c\C-c" greenloop-talk-send) ("\C-c\C-k" greenloop-cancel) ("\C-c\C-r" greenloop-review)
               ("\C-c\C-a" greenloop-accept-all) ("\C-c\C-d" greenloop-refuse-all)
               ("\C-c\C-l" greenloop-ask-again) ("\C-c\C-n" greenloop-talk-new)
               ("\C-c\C-t" greenloop-talk-thoughts))
             do (define-key map key command))
    map)
  "Keys of a conversation.")

(define-minor-mode greenloop-talk-mode
  "A conversation with Greenloop in a Markdown buffer."
  :lighter " Talk" :group 'greenloop)

(defun greenloop-talk-workspace-here ()
  "Return the workspace of the current buffer, opened if need be."
  (let ((workspace (greenloop-link-need-workspace)))
    (when greenloop-talk-workspace (setq greenloop-talk-workspace workspace))
    workspace))

(defun greenloop-talk-buffer (workspace)
  "Return the buffer of the conversation in WORKSPACE; make one if need be."
  (or (cl-find workspace (buffer-list)
               :key (lambda (buffer) (buffer-local-value 'greenloop-talk-workspace buffer)))
      (let ((root (greenloop-workspace-root workspace)))
        (with-current-buffer (generate-new-buffer
                              (format "*Greenloop: %s*" (file-name-nondirectory (directory-file-name root))))
          (setq default-directory root)
          (if (require 'markdown-mode nil t) (markdown-mode) (text-mode))
          (visual-line-mode)
          (greenloop-talk-mode)
          (setq greenloop-talk-workspace workspace
                greenloop-talk--end (make-marker)
                greenloop-talk--draft (make-marker))
          (insert greenloop-talk--question)
          (current-buffer)))))

(defun greenloop-talk-question ()
  "Return what stands below the last heading of a question, and move there."
  (goto-char (point-max))
  (string-trim (if (save-excursion (re-search-backward "^## You[ \t]*$" nil t))
                   (buffer-substring-no-properties (match-end 0) (point))
                 "")))

(defun greenloop-talk-send ()
  "Ask what stands below the last heading `## You', and append the answer."
  (interactive)
  (let ((words (greenloop-talk-question)))
    (when (string-empty-p words) (user-error "Greenloop: write a question below the last heading, ## You"))
    (greenloop-talk-ask (greenloop-talk-workspace-here) (greenloop-source-request "ask" words))))

(defun greenloop-talk-ask (workspace request)
  "Append the words of REQUEST as a question, and start its turn in WORKSPACE."
  (when (greenloop-turn-running workspace) (user-error "Greenloop: a turn is running; cancel it first"))
  (let ((buffer (greenloop-talk-buffer workspace))
        (words (if (string-blank-p (plist-get request :prompt)) "Fix the error." (plist-get request :prompt))))
    (with-current-buffer buffer
      (unless (equal (greenloop-talk-question) words)
        (greenloop-talk--heading greenloop-talk--question)
        (insert words))
      (greenloop-talk--heading "## Greenloop\n\n")
      (set-marker greenloop-talk--end (point))
      (set-marker greenloop-talk--draft nil)
      (dolist (window (get-buffer-window-list nil nil t)) (set-window-point window (point)))
      (setq greenloop-talk-turn (greenloop-turn-start workspace buffer request greenloop-talk-conversation)))
    (display-buffer buffer)))

(defun greenloop-talk--heading (heading)
  "Begin a section under HEADING at the end, unless an empty one stands there."
  (goto-char (point-max))
  (skip-chars-backward " \t\n")
  (delete-region (point) (point-max))
  (if (looking-back (concat "^" (regexp-quote (string-trim heading))) (line-beginning-position))
      (insert "\n\n")
    (insert (if (bobp) "" "\n\n") heading)))

(defun greenloop-talk-new ()
  "Begin a new conversation with the next question."
  (interactive)
  (setq greenloop-talk-conversation nil)
  (greenloop-talk-question)
  (message "Greenloop: the next question begins a new conversation"))

(defun greenloop-talk-thoughts ()
  "Show what the model thought in the newest turn."
  (interactive)
  (let ((turn (or greenloop-talk-turn (user-error "Greenloop: nothing was asked yet"))))
    (greenloop-link-show "*Greenloop thoughts*" (string-join (reverse (greenloop-turn-thoughts turn))))))

(defun greenloop-talk--following ()
  "Return the windows whose cursor is at the end of the answer."
  (cl-remove greenloop-talk--end (get-buffer-window-list nil nil t) :key #'window-point :test-not #'=))

(defun greenloop-talk--say (text)
  "Append TEXT to the answer; windows whose cursor is at its end follow."
  (let ((following (greenloop-talk--following)))
    (save-excursion
      (goto-char greenloop-talk--end)
      (insert text)
      (set-marker greenloop-talk--end (point)))
    (dolist (window following) (set-window-point window greenloop-talk--end))))

(defun greenloop-talk--news (turn what params)
  "Show in the conversation WHAT is new of TURN, with PARAMS."
  (when (buffer-live-p (greenloop-turn-talk turn))
    (with-current-buffer (greenloop-turn-talk turn)
      (pcase what
        ('started (setq greenloop-talk-conversation (greenloop-turn-conversation turn)))
        ('progress
         (greenloop-talk--undraft)
         (greenloop-talk--say (format "- %s\n" (plist-get params :text)))
         (message "Greenloop: %s" (plist-get params :text)))
        ((and 'delta (guard (not (eq t (plist-get params :thought)))))
         (unless (marker-position greenloop-talk--draft)
           (set-marker greenloop-talk--draft greenloop-talk--end)
           (greenloop-talk--say "\n~~~text\n"))
         (greenloop-talk--say (plist-get params :text)))
        ('ended (greenloop-talk--ended turn params))
        ((or 'accepted 'refused 'undone 'stale)
         (greenloop-talk--say (format "\n%s\n" params))
         (message "Greenloop: %s%s" params
                  (if (eq what 'stale) (substitute-command-keys " Ask again: \\[greenloop-ask-again]") "")))))))

(defun greenloop-talk--undraft ()
  "Remove the model's words: what was made of them has been judged, or comes anew."
  (when (marker-position greenloop-talk--draft)
    (delete-region greenloop-talk--draft greenloop-talk--end)
    (set-marker greenloop-talk--draft nil)))

(defun greenloop-talk--ended (turn news)
  "Show how TURN ended, as NEWS say, and begin the next question."
  (let* ((fault (plist-get news :fault))
         (text (or (plist-get news :text) ""))
         (said (cond (fault (format "Failed: %s" (greenloop-link-said
                                                  (list :message (plist-get fault :message) :data fault))))
                     ((eq (greenloop-turn-state turn) 'cancelled) "Cancelled.")
                     (t (plist-get news :summary)))))
    (greenloop-talk--undraft)
    (greenloop-talk--say (concat (if (string-blank-p text) "" (format "\n%s\n" (string-trim text)))
                                 (mapconcat #'greenloop-talk--described (greenloop-turn-suggestions turn) "")
                                 (format "\n%s\n" said)))
    (let ((following (greenloop-talk--following)))
      (when (= greenloop-talk--end (point-max))
        (save-excursion (goto-char (point-max)) (insert "\n" greenloop-talk--question)))
      (dolist (window following) (set-window-point window (point-max))))
    (message "Greenloop: %s" said)))

(defun greenloop-talk--described (suggestion)
  "Return SUGGESTION in words: its badge, why to mistrust it, its files."
  (concat
   (format "\n**%s**\n\n" (plist-get suggestion :label))
   (mapconcat (apply-partially #'format "- mistrust it: %s\n") (plist-get suggestion :flags) "")
   (mapconcat
    (lambda (file)
      (format "- `%s`: %s\n" (plist-get file :path)
              (pcase (plist-get file :kind)
                ("create" "a new file")
                ("delete" "goes")
                ("rename" (format "becomes `%s`" (plist-get file :new_path)))
                (_ (let ((count (length (plist-get file :hunks))))
                     (format (if (= count 1) "%d change" "%d changes") count))))))
    (plist-get suggestion :files) "")
   (mapconcat (lambda (problem) (concat "- " (greenloop-talk-problem problem))) (plist-get suggestion :problems) "")))

(defun greenloop-talk-problem (problem)
  "Return PROBLEM in words, as lines."
  (format "%s%s: %s\n" (plist-get problem :severity)
          (if (plist-get problem :path)
              (format ", %s line %d" (plist-get problem :path)
                      (1+ (or (plist-get (plist-get (plist-get problem :range) :start) :line) 0)))
            "")
          (replace-regexp-in-string "\n" "\n  " (string-trim (plist-get problem :message)))))

(add-hook 'greenloop-turn-news-functions #'greenloop-talk--news)

(defun greenloop-talk-note (workspace title text)
  "Put TEXT under TITLE before the next question in WORKSPACE, and show it."
  (with-current-buffer (greenloop-talk-buffer workspace)
    (save-excursion
      (greenloop-talk-question)
      (unless (re-search-backward "^## You[ \t]*$" nil t) (goto-char (point-max)))
      (insert (format "## %s\n\n~~~text\n%s\n~~~\n\n" title (string-trim-right text "\n"))))
    (display-buffer (current-buffer))
    (message "Greenloop: %s: %s" title text)))

(provide 'greenloop-talk)
;;; greenloop-talk.el ends here
