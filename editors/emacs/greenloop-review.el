;;; greenloop-review.el --- A suggestion under review, in diff-mode  -*- lexical-binding: t; -*-
;;; Commentary:
;; The hunks of a suggestion in `diff-mode', whose usual keys apply one, or kill
;; it, which is to refuse it; what is written comes from the sidecar.
;;; Code:
(require 'diff-mode)
(require 'greenloop-talk)

(defvar-local greenloop-review-turn nil "The turn under review.")
(defvar-local greenloop-review-suggestion nil "The suggestion under review.")
(defvar-local greenloop-review--fresh nil "Whether `next-error' has not come here yet.")
(defvar-local greenloop-review--bases nil "Alist of a hash → the lines of that text.")

(defvar greenloop-review-mode-map
  (let ((map (make-sparse-keymap)))
    (cl-loop for (key command) in
             '(([remap diff-apply-hunk] greenloop-review-accept)
               ([remap diff-hunk-kill] greenloop-review-refuse)
               ([remap diff-file-kill] greenloop-review-refuse-file)
               ([remap diff-ediff-patch] greenloop-review-ediff)
               ([remap diff-goto-source] greenloop-review-source)
               ([remap undo] greenloop-undo) ([remap diff-undo] greenloop-undo)
               ("a" greenloop-review-accept) ("f" greenloop-review-accept-file) ("y" greenloop-accept-all)
               ("g" greenloop-ask-again) ("x" greenloop-refuse-all) ("u" greenloop-undo) ("e" greenloop-review-ediff)
               ("]" greenloop-review-next-suggestion) ([remap revert-buffer] greenloop-ask-again) ("t" greenloop-talk))
             do (define-key map key command))
    ;; what would write without the sidecar, or change what is only shown
    (dolist (command '(diff-reverse-direction diff-split-hunk diff-test-hunk diff-refresh-hunk
                                              diff-ignore-whitespace-hunk diff-unified->context diff-context->unified))
      (define-key map (vector 'remap command) #'undefined))
    map)
  "Keys of the review; those of `diff-mode' work, too.")

(define-derived-mode greenloop-review-mode diff-mode "Greenloop-Review"
  "Review of a suggestion: a diff of which hunks are accepted or refused."
  (setq buffer-read-only t)
  (setq-local next-error-function #'greenloop-review-next-error)
  (add-hook 'window-buffer-change-functions #'greenloop-review--seen nil t))

(defun greenloop-review--name (workspace)
  "Return the name of the review of WORKSPACE."
  (format "*Greenloop review: %s*" (file-name-nondirectory (directory-file-name (greenloop-workspace-root workspace)))))

(defun greenloop-review-show (turn suggestion)
  "Fill the review with SUGGESTION of TURN, and display it."
  (let ((workspace (greenloop-turn-workspace turn)))
    (with-current-buffer (get-buffer-create (greenloop-review--name workspace))
      (unless (derived-mode-p 'greenloop-review-mode) (greenloop-review-mode))
      ;; what another turn suggests may have the same name
      (unless (eq turn greenloop-review-turn) (setq greenloop-review-suggestion nil))
      (setq default-directory (greenloop-workspace-root workspace)
            greenloop-review-turn turn
            next-error-last-buffer (current-buffer))
      (greenloop-review--fill suggestion)
      (display-buffer (current-buffer))
      (greenloop-review--seen))))

(defun greenloop-review--seen (&rest _)
  "Report the suggestion as shown if a window has it."
  (when (and greenloop-review-suggestion (get-buffer-window nil t))
    (greenloop-turn-shown greenloop-review-turn greenloop-review-suggestion)))

(defun greenloop-review--fill (suggestion)
  "Show SUGGESTION, and what became of each hunk; a line that was shown stays."
  (let* ((inhibit-read-only t)
         (all (greenloop-turn-suggestions greenloop-review-turn))
         (at (cl-position suggestion all))
         (same (equal (plist-get suggestion :id) (plist-get greenloop-review-suggestion :id)))
         (places (mapcar (lambda (window) (cons window (line-number-at-pos (if window (window-point window) (point)))))
                         (cons nil (get-buffer-window-list nil nil t)))))
    (setq greenloop-review-suggestion suggestion greenloop-review--fresh (or greenloop-review--fresh (not same)))
    (erase-buffer)
    (insert (format "Suggestion%s: %s\n" (if (and at (cdr all)) (format " %d of %d" (1+ at) (length all)) "")
                    (plist-get suggestion :label))
            (mapconcat (apply-partially #'format "Mistrust it: %s\n") (plist-get suggestion :flags) "")
            (mapconcat #'greenloop-talk-problem (plist-get suggestion :problems) "")
            (substitute-command-keys "\\<greenloop-review-mode-map>Keys: \\[greenloop-review-accept] apply the hunk, \
\\[greenloop-review-accept-file] the file, \\[greenloop-accept-all] all; k refuse the hunk, K the file, \
\\[greenloop-refuse-all] all; \\[greenloop-undo] undo;\nn next, p previous, RET go to it, \
\\[greenloop-review-ediff] ediff, \\[greenloop-ask-again] ask again, \\[greenloop-talk] conversation, q close\n\n"))
    (seq-doseq (file (plist-get suggestion :files)) (greenloop-review--insert file))
    (pcase-dolist (`(,window . ,line) places)
      (goto-char (point-min))
      (if same (forward-line (1- line)) (ignore-errors (diff-hunk-next)))
      (when window (set-window-point window (point))))))

(defun greenloop-review--insert (file)
  "Insert FILE of the suggestion as a diff.
Lines have `greenloop-file' and `greenloop-file-keys', hunks `greenloop-keys'."
  (let* ((start (point))
         (path (plist-get file :path))
         (lines (greenloop-review--base file))
         (hunks (append (plist-get file :hunks) nil))
         (whole (not (equal (plist-get file :kind) "change")))
         (keys (greenloop-turn-keys greenloop-review-suggestion path))
         (last 0))
    (insert (format "diff a/%s b/%s\n" path (or (plist-get file :new_path) path))
            (if (equal (plist-get file :kind) "rename") (format "rename to %s\n" (plist-get file :new_path)) "")
            (if (equal (plist-get file :kind) "create") "--- /dev/null\n" (format "--- a/%s\n" path))
            (if (equal (plist-get file :kind) "delete") "+++ /dev/null\n"
              (format "+++ b/%s\n" (or (plist-get file :new_path) path))))
    (unless hunks (greenloop-review--hunk '(:start 0 :end 0 :new_start 0 :old "" :new "") [] [] keys))
    (while hunks
      (let* ((hunk (pop hunks))
             (from (plist-get hunk :start))
             (to (plist-get hunk :end))
             ;; three lines of context, and none of them twice
             (before (max last (- from 3)))
             (after (min (length lines) (+ to 3) (if hunks (plist-get (car hunks) :start) most-positive-fixnum))))
        (greenloop-review--hunk hunk (seq-subseq lines (min before (length lines)) (min from (length lines)))
                                (seq-subseq lines (min to (length lines)) (max after (min to (length lines))))
                                (if whole keys (list (rassoc (plist-get hunk :id) keys))))
        (setq last (max after to))))
    (add-text-properties start (point) (list 'greenloop-file file 'greenloop-file-keys keys))))

(defun greenloop-review--hunk (hunk before after keys)
  "Insert HUNK between the lines BEFORE and AFTER it; KEYS are its own."
  (let* ((start (point))
         (old (greenloop-review--lines (plist-get hunk :old)))
         (new (greenloop-review--lines (plist-get hunk :new)))
         (context (+ (length before) (length after)))
         (state (greenloop-turn-decided-p greenloop-review-turn (car keys)))
         (range (lambda (side lines)
                  (let ((count (+ context (length lines))) (start (- (plist-get hunk side) (length before))))
                    (format "%d,%d" (if (zerop count) start (1+ start)) count)))))
    (insert (format "@@ -%s +%s @@%s\n" (funcall range :start old) (funcall range :new_start new)
                    (if state (format " %s" state) "")))
    (cl-loop for (mark . lines) in `((" " . ,before) ("-" . ,old) ("+" . ,new) (" " . ,after))
             do (seq-doseq (line lines)
                  (insert mark line)
                  (unless (bolp) (insert "\n\\ No newline at end of file\n"))))
    (put-text-property start (point) 'greenloop-keys keys)))

(defun greenloop-review--lines (text)
  "Return the lines of TEXT, their ends included."
  (vconcat (cl-loop with start = 0 while (< start (length text))
                    collect (substring text start
                                       (setq start (1+ (or (string-search "\n" text start) (1- (length text)))))))))

(defun greenloop-review--base (file)
  "Return the lines of what FILE is about; none if nobody has them any more."
  (let ((now (greenloop-text-now (greenloop-text-file (plist-get file :path)))) (base (plist-get file :base_sha256)))
    ;; kept, for what is accepted changes the text
    (when (and now (equal (greenloop-text-sha256 now) base))
      (setf (alist-get base greenloop-review--bases nil nil #'equal) (greenloop-review--lines now)))
    (or (cdr (assoc base greenloop-review--bases)) [])))

(defun greenloop-review--news (turn what _params)
  "Show in the review WHAT is new of TURN."
  (let* ((buffer (get-buffer (greenloop-review--name (greenloop-turn-workspace turn))))
         (mine (and buffer (eq turn (buffer-local-value 'greenloop-review-turn buffer)))))
    (pcase what
      ((or 'candidate 'ended)
       ;; what the person has begun to decide on stays
       (when-let ((best (car (greenloop-turn-suggestions turn))))
         (unless (and mine (cl-find 'shown (greenloop-turn-decided turn) :key #'cdr :test-not #'eq))
           (greenloop-review-show turn best))))
      ((or 'accepted 'refused 'undone)
       (when mine (with-current-buffer buffer (greenloop-review--fill greenloop-review-suggestion)))))))

(add-hook 'greenloop-turn-news-functions #'greenloop-review--news 90)

(defun greenloop-review--here (property)
  "Return PROPERTY of the line at point."
  (or (get-text-property (line-beginning-position) property)
      (user-error "Greenloop: there is no change here; n goes to the next one")))

(defun greenloop-review-find ()
  "Return the review of the current buffer's workspace."
  (if (derived-mode-p 'greenloop-review-mode) (current-buffer)
    (or (when-let ((workspace (or greenloop-talk-workspace (greenloop-link-workspace))))
          (get-buffer (greenloop-review--name workspace)))
        (user-error "Greenloop: there is no suggestion to review; ask first"))))

(defmacro greenloop-review--defun (name function keys docstring)
  "Define the command NAME: FUNCTION gets those of KEYS that wait; DOCSTRING."
  (declare (indent 3) (doc-string 4))
  `(defun ,name ()
     ,docstring
     (interactive)
     (with-current-buffer (greenloop-review-find)
       (let ((waiting (cl-remove-if (apply-partially #'greenloop-turn-decided-p greenloop-review-turn) ,keys)))
         (unless waiting (user-error "Greenloop: this is decided already"))
         (when (eq (greenloop-turn-state greenloop-review-turn) 'running)
           (user-error "Greenloop: this is still being checked; wait, or cancel the turn"))
         (,function greenloop-review-turn greenloop-review-suggestion waiting)
         (ignore-errors (diff-hunk-next))))))

(greenloop-review--defun greenloop-review-accept greenloop-turn-accept (greenloop-review--here 'greenloop-keys)
  "Apply the hunk at point to its file.")
(greenloop-review--defun greenloop-review-accept-file greenloop-turn-accept (greenloop-review--here 'greenloop-file-keys)
  "Apply all that waits of the file at point.")
(greenloop-review--defun greenloop-accept-all greenloop-turn-accept (greenloop-turn-keys greenloop-review-suggestion)
  "Accept all that waits of the suggestion under review.")
(greenloop-review--defun greenloop-review-refuse greenloop-turn-refuse (greenloop-review--here 'greenloop-keys)
  "Refuse the hunk at point.")
(greenloop-review--defun greenloop-review-refuse-file greenloop-turn-refuse (greenloop-review--here 'greenloop-file-keys)
  "Refuse all that waits of the file at point.")
(greenloop-review--defun greenloop-refuse-all greenloop-turn-refuse (greenloop-turn-keys greenloop-review-suggestion)
  "Refuse all that waits of the suggestion under review.")

(defun greenloop-review ()
  "Go to the review of the newest suggestion."
  (interactive)
  (pop-to-buffer (greenloop-review-find)))

(defun greenloop-review-next-suggestion ()
  "Show the next one of the turn's suggestions; after the last comes the best."
  (interactive nil greenloop-review-mode)
  (let* ((all (greenloop-turn-suggestions greenloop-review-turn))
         (at (or (cl-position greenloop-review-suggestion all) -1)))
    (unless (cdr all) (user-error "Greenloop: there is only this suggestion"))
    (greenloop-review-show greenloop-review-turn (nth (mod (1+ at) (length all)) all))))

(defun greenloop-review--line ()
  "Return the line, from 0, of the change at point in its file as it is now."
  (let* ((hunks (plist-get (greenloop-review--here 'greenloop-file) :hunks))
         (key (car (greenloop-review--here 'greenloop-keys)))
         (hunk (cl-find (cdr key) hunks :key (lambda (one) (plist-get one :id)) :test #'equal))
         (start (or (plist-get hunk :start) 0))
         (line start))
    ;; what is applied above has moved it
    (seq-doseq (other hunks)
      (when (and (< (plist-get other :start) start)
                 (eq 'accepted (greenloop-turn-decided-p greenloop-review-turn
                                                         (cons (car key) (plist-get other :id)))))
        (cl-incf line (- (greenloop-text-lines (plist-get other :new)) (greenloop-text-lines (plist-get other :old))))))
    line))

(defun greenloop-review-source ()
  "Go to the place of the change at point, in another window."
  (interactive nil greenloop-review-mode)
  (let* ((file (greenloop-review--here 'greenloop-file))
         (line (greenloop-review--line))
         (names (mapcar #'greenloop-text-file (delq nil (list (plist-get file :path) (plist-get file :new_path)))))
         (found (cl-find-if (lambda (name) (or (file-exists-p name) (find-buffer-visiting name))) names)))
    (unless found (user-error "Greenloop: there is no file %s" (car names)))
    (pop-to-buffer (find-file-noselect found))
    (widen)
    (goto-char (greenloop-text-line line))))

(defun greenloop-review-next-error (count reset)
  "Go to the change COUNT further; from the first one on if RESET.
This is the `next-error-function' of the review."
  (when reset (goto-char (point-min)))
  ;; the first step leads to the change at point
  (unless (and greenloop-review--fresh (= count 1) (not reset)) (diff-hunk-next (if reset (max count 1) count)))
  (setq greenloop-review--fresh nil)
  (dolist (window (get-buffer-window-list nil nil t)) (set-window-point window (point)))
  (greenloop-review-source))

(defun greenloop-review-ediff ()
  "Look at the file at point by `ediff', before the change and after it.
Both sides are copies; changes are accepted in the review."
  (interactive nil greenloop-review-mode)
  (let* ((file (greenloop-review--here 'greenloop-file))
         (path (plist-get file :path))
         (old (append (greenloop-review--base file) nil))
         (copy (lambda (what hunks)
                 (with-current-buffer (get-buffer-create (format "%s, %s" path what))
                   (let ((inhibit-read-only t) (buffer-file-name path))
                     (erase-buffer)
                     (apply #'insert old)
                     (mapc #'greenloop-text--put-hunk hunks)
                     (delay-mode-hooks (set-auto-mode)))
                   (setq buffer-read-only t)
                   (set-buffer-modified-p nil)
                   (current-buffer)))))
    (unless (or old (null (plist-get file :base_sha256)))
      (user-error "Greenloop: %s has changed since; ask again on the new text" path))
    (ediff-buffers (funcall copy "before" nil) (funcall copy "after" (reverse (plist-get file :hunks))))))

(provide 'greenloop-review)
;;; greenloop-review.el ends here
