;;; greenloop-review.el --- A suggestion under review, in diff-mode  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; The sidecar's unified diff in `diff-mode', one of its hunks for each hunk of
;; the suggestion.  The usual keys apply a hunk and kill one, which is to
;; refuse it; what is written comes from the sidecar, never from the diff.

;;; Code:

(require 'cl-lib)
(require 'diff-mode)
(require 'greenloop-talk)

(declare-function ediff-buffers "ediff")
(defvar ediff-quit-hook)

(defvar-local greenloop-review-turn nil "The turn under review.")
(defvar-local greenloop-review-suggestion nil "The suggestion under review.")

(defvar greenloop-review-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map [remap diff-apply-hunk] #'greenloop-review-accept)
    (define-key map [remap diff-hunk-kill] #'greenloop-review-refuse)
    (define-key map [remap diff-file-kill] #'greenloop-review-refuse-file)
    (define-key map [remap diff-ediff-patch] #'greenloop-review-ediff)
    (define-key map [remap diff-goto-source] #'greenloop-review-source)
    (define-key map [remap diff-undo] #'greenloop-undo)
    (define-key map [remap undo] #'greenloop-undo)
    (define-key map "a" #'greenloop-review-accept)
    (define-key map "f" #'greenloop-review-accept-file)
    (define-key map "y" #'greenloop-accept-all)
    (define-key map "x" #'greenloop-refuse-all)
    (define-key map "u" #'greenloop-undo)
    (define-key map "e" #'greenloop-review-ediff)
    (define-key map "]" #'greenloop-review-next-suggestion)
    (define-key map "g" #'greenloop-ask-again)
    (define-key map "t" #'greenloop-talk)
    ;; what would write without the sidecar, or change what is only shown
    (dolist (command '(diff-reverse-direction diff-split-hunk diff-test-hunk diff-refresh-hunk
                       diff-ignore-whitespace-hunk diff-unified->context diff-context->unified))
      (define-key map (vector 'remap command) #'undefined))
    map)
  "Keys of the review; those of `diff-mode' work, too.")

(declare-function greenloop-talk "greenloop")
(declare-function greenloop-undo "greenloop")

(define-derived-mode greenloop-review-mode diff-mode "Greenloop-Review"
  "Review of a suggestion: a diff of which hunks are accepted or refused."
  (setq buffer-read-only t)
  (setq-local next-error-function #'greenloop-review-next-error)
  (add-hook 'window-buffer-change-functions #'greenloop-review--seen nil t))

(defun greenloop-review--buffer (workspace)
  "Return the buffer of the review in WORKSPACE."
  (format "*Greenloop review: %s*"
          (file-name-nondirectory (directory-file-name (greenloop-workspace-root workspace)))))

;;;; Showing

(defun greenloop-review-show (turn suggestion)
  "Fill the review with SUGGESTION of TURN, and display it."
  (let ((workspace (greenloop-turn-workspace turn)))
    (with-current-buffer (get-buffer-create (greenloop-review--buffer workspace))
      (unless (derived-mode-p 'greenloop-review-mode) (greenloop-review-mode))
      (let ((again (equal (plist-get suggestion :id) (plist-get greenloop-review-suggestion :id)))
            (line (line-number-at-pos)))
        (setq default-directory (greenloop-workspace-root workspace)
              greenloop-review-turn turn
              greenloop-review-suggestion suggestion
              next-error-last-buffer (current-buffer))
        (greenloop-review--fill)
        (if again (progn (goto-char (point-min)) (forward-line (1- line)))
          (goto-char (point-min))
          (ignore-errors (diff-hunk-next))
          (dolist (window (get-buffer-window-list nil nil t)) (set-window-point window (point)))))
      (display-buffer (current-buffer))
      (greenloop-review--seen))))

(defun greenloop-review--seen (&rest _)
  "Report the suggestion as shown if a window has it."
  (when-let ((window (get-buffer-window nil t))
             (suggestion greenloop-review-suggestion))
    (greenloop-turn-shown greenloop-review-turn suggestion)))

(defun greenloop-review--fill ()
  "Write the suggestion into the current buffer."
  (let* ((inhibit-read-only t)
         (suggestion greenloop-review-suggestion)
         (count (length (greenloop-turn-suggestions greenloop-review-turn))))
    (erase-buffer)
    (insert (format "Suggestion%s: %s\n"
                    (if (> count 1)
                        (format " %d of %d" (1+ (or (cl-position suggestion (greenloop-turn-suggestions
                                                                             greenloop-review-turn))
                                                    0))
                                count)
                      "")
                    (plist-get suggestion :label)))
    (seq-doseq (flag (plist-get suggestion :flags)) (insert (format "Mistrust it: %s\n" flag)))
    (seq-doseq (problem (plist-get suggestion :problems))
      (insert (format "%s: %s\n" (capitalize (plist-get problem :severity))
                      (replace-regexp-in-string "\n" "\n  " (plist-get problem :message)))))
    (insert (substitute-command-keys
             (concat "Keys: \\<greenloop-review-mode-map>\\[greenloop-review-accept] apply the hunk, "
                     "\\[greenloop-review-accept-file] the file, \\[greenloop-accept-all] all; "
                     "k refuse the hunk, K the file, \\[greenloop-refuse-all] all; "
                     "\\[greenloop-undo] undo; n and p next and previous; RET source; "
                     "\\[greenloop-review-ediff] ediff; \\[greenloop-ask-again] ask again; q close\n\n")))
    (greenloop-review--insert suggestion)
    (greenloop-review--mark)))

(defun greenloop-review--insert (suggestion)
  "Insert the diff of SUGGESTION, with a hunk of its own for each hunk.
Each line of a file has the property `greenloop-path', each line of a hunk
`greenloop-keys'."
  (let (file hunks)
    (dolist (section (greenloop-review--sections (plist-get suggestion :diff)))
      (setq file (cl-find-if (lambda (one) (member (car section)
                                                   (list (plist-get one :path) (plist-get one :new_path))))
                             (plist-get suggestion :files))
            hunks (and (equal (plist-get file :kind) "change") (append (plist-get file :hunks) nil)))
      (let ((start (point))
            (path (plist-get file :path)))
        (cl-loop for (kind . lines) in (cdr section)
                 do (if (and hunks (eq kind 'hunk))
                        (greenloop-review--split suggestion lines hunks)
                      (let ((from (point)))
                        (mapc #'insert lines)
                        (when (eq kind 'hunk)
                          (put-text-property from (point) 'greenloop-keys
                                             (greenloop-turn-keys suggestion path))))))
        (put-text-property start (point) 'greenloop-path path)))))

(defun greenloop-review--sections (diff)
  "Return DIFF as a list of (PATH (KIND LINE...)...), KIND is `head' or `hunk'."
  (let (sections parts left right)
    (dolist (line (greenloop-review--lines diff))
      (cond
       ;; within a hunk what looks like a header is text
       ((and (or left right) (or (> (or left 0) 0) (> (or right 0) 0) (string-prefix-p "\\" line)))
        (push line (cdar parts))
        (unless (memq (aref line 0) '(?+ ?\\)) (cl-decf left))
        (unless (memq (aref line 0) '(?- ?\\)) (cl-decf right)))
       ((string-prefix-p "diff --git " line)
        (when parts (push parts sections))
        (setq parts (list (list 'head line)) left nil right nil))
       ((string-match "\\`@@ -[0-9]+\\(?:,\\([0-9]+\\)\\)? \\+[0-9]+\\(?:,\\([0-9]+\\)\\)? @@" line)
        (setq left (string-to-number (or (match-string 1 line) "1"))
              right (string-to-number (or (match-string 2 line) "1")))
        (push (list 'hunk line) parts))
       (parts (push line (cdar parts)))))
    (when parts (push parts sections))
    (mapcar (lambda (parts)
              (let ((parts (mapcar (lambda (part) (cons (car part) (reverse (cdr part)))) (reverse parts))))
                (cons (greenloop-review--path (cadar parts)) parts)))
            (reverse sections))))

(defun greenloop-review--lines (text)
  "Return the lines of TEXT, their ends included."
  (let ((start 0) lines)
    (while (< start (length text))
      (let ((end (or (string-search "\n" text start) (1- (length text)))))
        (push (substring text start (1+ end)) lines)
        (setq start (1+ end))))
    (nreverse lines)))

(defun greenloop-review--path (head)
  "Return the path that HEAD, a line `diff --git', is about."
  (let ((names (substring (string-trim-right head "\n") (length "diff --git "))))
    (if (string-prefix-p "\"" names)
        ;; quoted as C has it; both names are the same
        (substring (decode-coding-string (string-to-unibyte (read names)) 'utf-8) 2)
      (substring names 2 (/ (1- (length names)) 2)))))

(defun greenloop-review--split (suggestion lines hunks)
  "Insert LINES of a hunk of the diff, split among those HUNKS of SUGGESTION in it."
  (string-match "\\`@@ -\\([0-9]+\\)\\(,0\\)?[^+]*\\+\\([0-9]+\\)\\(,0\\)?" (car lines))
  (let* ((old (- (string-to-number (match-string 1 (car lines))) (if (match-string 2 (car lines)) 0 1)))
         (new (- (string-to-number (match-string 3 (car lines))) (if (match-string 4 (car lines)) 0 1)))
         (end (+ old (cl-count-if (lambda (line) (memq (aref line 0) '(?\s ?-))) (cdr lines))))
         (mine (cl-remove-if-not (lambda (hunk) (<= old (plist-get hunk :start) end)) hunks))
         (rest (cdr lines)))
    (while mine
      (let* ((hunk (pop mine))
             ;; half of the lines between two hunks go to each
             (until (if mine (/ (+ (plist-get hunk :end) (plist-get (car mine) :start) 1) 2) most-positive-fixnum))
             (from old) (onto new) part)
        (while (and rest (or (< old until) (eq (aref (car rest) 0) ?\\)))
          (let ((line (pop rest)))
            (push line part)
            (when (memq (aref line 0) '(?\s ?-)) (cl-incf old))
            (when (memq (aref line 0) '(?\s ?+)) (cl-incf new))))
        (let ((start (point)))
          (insert (greenloop-review--header from (- old from) onto (- new onto)))
          (mapc #'insert (nreverse part))
          (put-text-property start (point) 'greenloop-keys
                             (list (cons (plist-get suggestion :id) (plist-get hunk :id)))))))))

(defun greenloop-review--header (old old-count new new-count)
  "Return the header of a hunk: OLD-COUNT lines from OLD on, NEW-COUNT from NEW on."
  (format "@@ -%d,%d +%d,%d @@\n" (if (zerop old-count) old (1+ old)) old-count
          (if (zerop new-count) new (1+ new)) new-count))

(defun greenloop-review--mark ()
  "Write behind each hunk's header what became of it."
  (let ((inhibit-read-only t))
    (save-excursion
      (goto-char (point-min))
      (while (re-search-forward "^@@ [^@\n]* @@\\(.*\\)$" nil t)
        (let* ((end (match-end 0))
               (states (delete-dups (mapcar (lambda (key) (greenloop-turn-decided-p greenloop-review-turn key))
                                            (get-text-property (1- end) 'greenloop-keys)))))
          ;; only a header has the keys that its next line has
          (when (and states (= (match-beginning 1) (- end (length (match-string 1)))))
            (let ((properties (text-properties-at (1- (match-beginning 1)))))
              (replace-match (if (car states) (format " %s" (car states)) "") t t nil 1)
              (set-text-properties (line-beginning-position) (line-end-position) properties))))))))

(defun greenloop-review--news (turn what _params)
  "Show in the review WHAT is new of TURN."
  (let* ((name (greenloop-review--buffer (greenloop-turn-workspace turn)))
         (buffer (get-buffer name))
         (mine (and buffer (eq turn (buffer-local-value 'greenloop-review-turn buffer)))))
    (pcase what
      ((or 'candidate 'ended)
       ;; what the person has begun to decide on stays
       (when-let ((best (car (greenloop-turn-suggestions turn))))
         (unless (and mine (cl-find-if (lambda (entry) (not (eq (cdr entry) 'shown)))
                                       (greenloop-turn-decided turn)))
           (greenloop-review-show turn best))))
      ((or 'accepted 'refused 'undone)
       (when mine (with-current-buffer buffer (greenloop-review--mark)))))))

(add-hook 'greenloop-turn-news-functions #'greenloop-review--news 90)

;;;; Deciding

(defun greenloop-review--here (property)
  "Return PROPERTY of the line at point, or a `user-error'."
  (or (get-text-property (line-beginning-position) property)
      (user-error "Greenloop: there is no change here; n goes to the next one")))

(defun greenloop-review--waiting (&optional path)
  "Return what waits of the suggestion, or of its file PATH, if anything does."
  (or (greenloop-turn-waiting greenloop-review-turn greenloop-review-suggestion path)
      (user-error "Greenloop: all of it is decided already")))

(defun greenloop-review--decide (function keys)
  "Call FUNCTION with turn, suggestion and those of KEYS that wait; go on."
  (let ((waiting (cl-intersection keys (greenloop-review--waiting) :test #'equal)))
    (unless waiting (user-error "Greenloop: this is decided already"))
    (when (eq (greenloop-turn-state greenloop-review-turn) 'running)
      (user-error "Greenloop: this is still being checked; wait, or cancel the turn"))
    (funcall function greenloop-review-turn greenloop-review-suggestion waiting)
    (ignore-errors (diff-hunk-next))))

(defun greenloop-review-accept ()
  "Apply the hunk at point to its file."
  (interactive nil greenloop-review-mode)
  (greenloop-review--decide #'greenloop-turn-accept (greenloop-review--here 'greenloop-keys)))

(defun greenloop-review-accept-file ()
  "Apply all that waits of the file at point."
  (interactive nil greenloop-review-mode)
  (greenloop-review--decide #'greenloop-turn-accept
                            (greenloop-review--waiting (greenloop-review--here 'greenloop-path))))

(defun greenloop-review-refuse ()
  "Refuse the hunk at point."
  (interactive nil greenloop-review-mode)
  (greenloop-review--decide #'greenloop-turn-refuse (greenloop-review--here 'greenloop-keys)))

(defun greenloop-review-refuse-file ()
  "Refuse all that waits of the file at point."
  (interactive nil greenloop-review-mode)
  (greenloop-review--decide #'greenloop-turn-refuse
                            (greenloop-review--waiting (greenloop-review--here 'greenloop-path))))

(defmacro greenloop-review--within (&rest body)
  "Do BODY in the review of the current buffer's workspace."
  (declare (indent 0) (debug t))
  `(with-current-buffer (greenloop-review-find) ,@body))

(defun greenloop-review-find ()
  "Return the review of the current buffer's workspace, or a `user-error'."
  (if (derived-mode-p 'greenloop-review-mode)
      (current-buffer)
    (or (when-let ((workspace (or greenloop-talk-workspace (greenloop-link-workspace))))
          (get-buffer (greenloop-review--buffer workspace)))
        (user-error "Greenloop: there is no suggestion to review; ask first"))))

;;;###autoload
(defun greenloop-accept-all ()
  "Accept all that waits of the suggestion under review."
  (interactive)
  (greenloop-review--within
    (greenloop-review--decide #'greenloop-turn-accept (greenloop-review--waiting))))

;;;###autoload
(defun greenloop-refuse-all ()
  "Refuse all that waits of the suggestion under review."
  (interactive)
  (greenloop-review--within
    (greenloop-review--decide #'greenloop-turn-refuse (greenloop-review--waiting))))

;;;###autoload
(defun greenloop-review ()
  "Go to the review of the newest suggestion."
  (interactive)
  (pop-to-buffer (greenloop-review-find)))

(defun greenloop-review-next-suggestion ()
  "Show the next one of the turn's suggestions; after the last comes the best."
  (interactive nil greenloop-review-mode)
  (let* ((all (greenloop-turn-suggestions greenloop-review-turn))
         (at (cl-position greenloop-review-suggestion all)))
    (when (< (length all) 2) (user-error "Greenloop: there is only this suggestion"))
    (greenloop-review-show greenloop-review-turn (nth (mod (1+ (or at -1)) (length all)) all))))

;;;; Going to the changes

(defun greenloop-review--line ()
  "Return the line, from 0, of the change at point in its file as it is now."
  (let* ((keys (greenloop-review--here 'greenloop-keys))
         (file (cl-find (greenloop-review--here 'greenloop-path)
                        (plist-get greenloop-review-suggestion :files)
                        :key (lambda (one) (plist-get one :path)) :test #'equal))
         (hunk (cl-find (cdar keys) (plist-get file :hunks)
                        :key (lambda (one) (plist-get one :id)) :test #'equal))
         (line (or (plist-get hunk :start) 0)))
    ;; what is applied above has moved it
    (seq-doseq (other (plist-get file :hunks))
      (when (and (< (plist-get other :start) (or (plist-get hunk :start) 0))
                 (eq 'accepted (greenloop-turn-decided-p greenloop-review-turn
                                                         (cons (caar keys) (plist-get other :id)))))
        (cl-incf line (- (greenloop-text-lines (plist-get other :new))
                         (- (plist-get other :end) (plist-get other :start))))))
    line))

(defun greenloop-review-source ()
  "Go to the place of the change at point, in another window."
  (interactive nil greenloop-review-mode)
  (let* ((path (greenloop-review--here 'greenloop-path))
         (line (greenloop-review--line))
         (file (cl-find path (plist-get greenloop-review-suggestion :files)
                        :key (lambda (one) (plist-get one :path)) :test #'equal))
         (found (cl-find-if #'file-exists-p
                            (delq nil (list (expand-file-name path)
                                            (and (plist-get file :new_path)
                                                 (expand-file-name (plist-get file :new_path))))))))
    (unless (or found (find-buffer-visiting (expand-file-name path)))
      (user-error "Greenloop: there is no file %s" path))
    (pop-to-buffer (find-file-noselect (or found (expand-file-name path))))
    (widen)
    (goto-char (greenloop-text-line line))))

(defun greenloop-review-next-error (count reset)
  "Go to the change COUNT further; from the first one on if RESET.
This is the `next-error-function' of the review."
  (when reset
    (goto-char (point-min))
    (re-search-forward "^diff " nil 'end))
  (diff-hunk-next (if reset (max count 1) count))
  (dolist (window (get-buffer-window-list nil nil t)) (set-window-point window (point)))
  (greenloop-review-source))

;;;; Ediff

(defun greenloop-review-ediff ()
  "Look at the file at point by `ediff': as it is, and as it is suggested.
Both sides are copies; changes are accepted in the review."
  (interactive nil greenloop-review-mode)
  (let* ((path (greenloop-review--here 'greenloop-path))
         (file (cl-find path (plist-get greenloop-review-suggestion :files)
                        :key (lambda (one) (plist-get one :path)) :test #'equal))
         (now (greenloop-text-now (expand-file-name path)))
         (base (plist-get file :base_sha256)))
    (unless (equal base (and now (greenloop-text-sha256 now)))
      (user-error "Greenloop: %s has changed since; ask again on the new text" path))
    (let* ((lines (vconcat (greenloop-review--lines (or now "")))) (at 0) new)
      (seq-doseq (hunk (plist-get file :hunks))
        (push (apply #'concat (append (seq-subseq lines at (plist-get hunk :start)) nil)) new)
        (push (plist-get hunk :new) new)
        (setq at (plist-get hunk :end)))
      (push (apply #'concat (append (seq-subseq lines at) nil)) new)
      (let ((left (greenloop-review--copy path "as it is" (or now "")))
            (right (greenloop-review--copy path "as suggested" (apply #'concat (nreverse new)))))
        (require 'ediff)
        (ediff-buffers left right
                       (list (lambda ()
                               (add-hook 'ediff-quit-hook
                                         (lambda () (mapc #'kill-buffer (list left right))) 90 t))))))))

(defun greenloop-review--copy (path what text)
  "Return a buffer that shows TEXT, which is PATH WHAT."
  (with-current-buffer (generate-new-buffer (format "%s, %s" path what))
    (insert text)
    (let ((buffer-file-name path)) (delay-mode-hooks (set-auto-mode)))
    (setq buffer-read-only t)
    (set-buffer-modified-p nil)
    (current-buffer)))

(provide 'greenloop-review)
;;; greenloop-review.el ends here
