;;; greenloop-text.el --- What buffers would write, and writing into them  -*- lexical-binding: t; -*-
;;; Commentary:
;; The sidecar knows files by their bytes: here a buffer's text is what Emacs'
;; coding systems would write.  What was handed over is written in steps, all or
;; none, each on the very text that it was made for; the inverse takes it back.
;;; Code:
(require 'cl-lib)

(define-error 'greenloop-text-refused "Nothing was written")

(cl-defstruct (greenloop-text-step (:constructor greenloop-text-step))
  "One file from the text OLD at FROM to the text NEW at PATH.
A text that is nil: there is no file.  HUNKS say the same line by line, where
there are any.  EXECUTABLE: a file that was not at PATH before may be run; or
its permissions.  UNSAVED (the buffer had edits) and MODES are of before."
  from path old new hunks executable unsaved modes)

(defun greenloop-text--refuse (format &rest words)
  "Signal that nothing is written, for the reason that FORMAT and WORDS give."
  (signal 'greenloop-text-refused (list (apply #'format format words))))

(defun greenloop-text--coding ()
  "Return the coding system with which the current buffer would be written."
  (let* ((coding (or buffer-file-coding-system 'utf-8-unix))
         (known (if (memq (coding-system-base coding) '(undecided prefer-utf-8 us-ascii raw-text no-conversion))
                    (coding-system-change-text-conversion coding 'utf-8)
                  coding)))
    (if (vectorp (coding-system-eol-type known)) (coding-system-change-eol-conversion known 'unix) known)))

(defun greenloop-text--from-bytes (bytes)
  "Return the text of BYTES, nil if they are not UTF-8."
  (let ((text (decode-coding-string bytes 'utf-8-unix))) (unless (memq 'eight-bit (find-charset-string text)) text)))

(defun greenloop-text-of (buffer)
  "Return what BUFFER would write to the disk, nil if that is not UTF-8."
  (with-current-buffer buffer
    (save-restriction
      (widen)
      (greenloop-text--from-bytes
       (encode-coding-string (buffer-substring-no-properties (point-min) (point-max)) (greenloop-text--coding))))))

(defun greenloop-text-file (path &optional root)
  "Return the file that is called PATH below ROOT: a tilde in a name is no home."
  (expand-file-name (concat "./" path) root))

(defun greenloop-text-sha256 (text)
  "Return the SHA-256 of TEXT in UTF-8."
  (secure-hash 'sha256 (encode-coding-string text 'utf-8-unix)))

(defun greenloop-text--refresh (buffer)
  "Let BUFFER follow the disk where the person has not edited it; return it."
  (with-current-buffer buffer
    (unless (or (buffer-modified-p) (verify-visited-file-modtime) (not (file-exists-p buffer-file-name)))
      (let ((inhibit-message t)) (revert-buffer t t t)))
    buffer))

(defun greenloop-text-now (file)
  "Return the text of FILE as the person has it, nil if there is no such file."
  (let ((buffer (and (find-buffer-visiting file) (greenloop-text--refresh (find-buffer-visiting file)))))
    (when (or (file-exists-p file) (and buffer (buffer-modified-p buffer)))
      (or (if buffer (greenloop-text-of buffer)
            (with-temp-buffer
              (set-buffer-multibyte nil)
              (insert-file-contents-literally file)
              (greenloop-text--from-bytes (buffer-string))))
          (greenloop-text--refuse "%s is not UTF-8" file)))))

(defun greenloop-text-path (root &optional buffer)
  "Return the path below ROOT of the file of BUFFER, nil if it has none there."
  (let ((file (buffer-local-value 'buffer-file-truename (or buffer (current-buffer)))))
    (when (and file (not (file-remote-p file)))
      (let ((path (file-relative-name (expand-file-name file) root)))
        (unless (string-match-p "\\`\\.\\./\\|\\`/\\|\\(?:\\`\\|/\\)\\.\\(?:git\\|hg\\)/" path) path)))))

(defun greenloop-text-unsaved (root)
  "Return the buffers below ROOT that differ from the disk, for the sidecar."
  (vconcat
   (cl-loop for buffer in (buffer-list)
            for path = (greenloop-text-path root buffer)
            for modified = (and path (buffer-modified-p (greenloop-text--refresh buffer)))
            for text = (and modified (greenloop-text-of buffer))
            when text collect (list :path path :text text)
            else if modified do (message "Greenloop: %s is left out, for it would not be saved as UTF-8" path))))

(defun greenloop-text-open (root paths)
  "Return those of PATHS below ROOT that are open, for the sidecar."
  (vconcat
   (cl-loop for path in (delete-dups paths)
            for file = (greenloop-text-file path root)
            for text = (and (find-buffer-visiting file) (greenloop-text-now file))
            when text collect (list :path path :text text))))

(defun greenloop-text-line (number)
  "Return where line NUMBER, counted from 0, begins in the whole current buffer."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (point-min))
      (forward-line number)
      (point))))

(defun greenloop-text-position (place)
  "Return line and column of PLACE in the current buffer, as the sidecar counts."
  (let ((line (1- (line-number-at-pos place t)))) (list :line line :column (- place (greenloop-text-line line)))))

(defun greenloop-text-place (root markers)
  "Return MARKERS, the cursor and the ends of a selection, as a place below ROOT."
  (when markers
    (with-current-buffer (marker-buffer (car markers))
      (pcase-let ((`(,cursor ,start ,end) (mapcar #'greenloop-text-position markers)))
        (list :path (greenloop-text-path root) :cursor cursor :selection (and start (list :start start :end end)))))))

(defun greenloop-text-point (position)
  "Return the place in the current buffer of the sidecar's POSITION."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (greenloop-text-line (plist-get position :line)))
      (min (+ (point) (plist-get position :column)) (line-end-position)))))

(defun greenloop-text-lines (text)
  "Return how many lines TEXT has."
  (+ (cl-count ?\n text) (if (or (string-empty-p text) (string-suffix-p "\n" text)) 0 1)))

(defun greenloop-text-plan (root files renames)
  "Return how to write FILES of a hand-over below ROOT.
RENAMES is a list of (OLD . NEW) paths.  Signals `greenloop-text-refused'
if a text is not the one that its file was made for."
  (cl-loop
   for file in files
   for path = (plist-get file :path)
   for gone = (car (rassoc path renames))
   for source = (if gone (cl-find gone files :key (lambda (one) (plist-get one :path)) :test #'equal) file)
   for from = (plist-get source :path)
   unless (assoc path renames) collect
   (let ((old (greenloop-text-now (greenloop-text-file from root))))
     (unless (equal (plist-get source :base_sha256) (and old (greenloop-text-sha256 old)))
       (greenloop-text--refuse "%s has changed since; ask again on the new text" from))
     (when (and gone (greenloop-text-now (greenloop-text-file path root)))
       (greenloop-text--refuse "%s is there already; ask again" path))
     (greenloop-text-step
      :from (greenloop-text-file from root) :path (greenloop-text-file path root)
      :old old :new (plist-get file :text) :hunks (append (plist-get file :hunks) nil)
      :executable (eq t (plist-get file :executable))))))

(defun greenloop-text-inverse (plan)
  "Return the inverse of PLAN."
  (cl-loop
   for step in (reverse plan)
   collect
   (pcase-let (((cl-struct greenloop-text-step from path old new hunks unsaved modes) step))
     (greenloop-text-step
      ;; a file that was deleted comes back onto the disk
      :from path :path from :old new :new old :unsaved (and new unsaved) :executable modes
      :hunks (cl-loop for hunk in hunks
                      for start = (plist-get hunk :new_start)
                      collect (list :start start :end (+ start (greenloop-text-lines (plist-get hunk :new)))
                                    :new (plist-get hunk :old)))))))

(defun greenloop-text-write (plan)
  "Do all of PLAN, or none; signal `greenloop-text-refused' with the reason."
  (dolist (step plan)
    (let* ((from (greenloop-text-step-from step))
           (buffer (find-buffer-visiting from)))
      (setf (greenloop-text-step-unsaved step) (and buffer (buffer-modified-p buffer))
            (greenloop-text-step-modes step) (file-modes from))
      (unless (equal (greenloop-text-now from) (greenloop-text-step-old step))
        (greenloop-text--refuse "%s has changed since" from))
      (when (and buffer (buffer-local-value 'buffer-read-only buffer))
        (greenloop-text--refuse "the buffer %s is read-only" buffer))))
  (let (done)
    (condition-case fault
        (dolist (step plan) (push step done) (greenloop-text--do step))
      ((error quit)
       ;; the step that failed may be half done
       (dolist (step (greenloop-text-inverse (reverse done))) (ignore-errors (greenloop-text--do step)))
       (greenloop-text--refuse
        "%s%s" (if (eq (car fault) 'greenloop-text-refused) (cadr fault) (error-message-string fault))
        (cl-loop for step in done for from = (greenloop-text-step-from step)
                 unless (equal (ignore-errors (greenloop-text-now from)) (greenloop-text-step-old step))
                 concat (format "; %s could not be put back" from)))))))

(defun greenloop-text--do (step)
  "Do one STEP."
  (pcase-let* (((cl-struct greenloop-text-step from path old new hunks executable unsaved) step)
               (buffer (find-buffer-visiting from))
               (enable-local-variables :safe)
               (large-file-warning-threshold nil)
               (inhibit-message t))
    (if (null new)
        (progn
          (when (file-exists-p from) (delete-file from t))
          (when buffer (with-current-buffer buffer (set-buffer-modified-p nil)) (kill-buffer buffer)))
      (make-directory (file-name-directory path) t)
      (unless (equal from path)
        (when (file-exists-p from) (rename-file from path))
        (when buffer (with-current-buffer buffer (set-visited-file-name path t t) (set-buffer-modified-p unsaved))))
      (with-current-buffer (find-file-noselect path t)
        (greenloop-text--put new hunks)
        (unless unsaved
          (unless (file-exists-p path) (set-buffer-modified-p t))
          ;; it is saved as it was judged: nothing is added, and nobody formats it
          (let ((coding-system-for-write (greenloop-text--coding)) (inhibit-file-name-operation 'write-region)
                (inhibit-file-name-handlers '(jka-compr-handler epa-file-handler)) require-final-newline
                before-save-hook write-contents-functions write-file-functions) (save-buffer))))
      ;; a file that was here keeps its permissions; of a new one, who may read it may run it
      (when-let ((modes (and executable (not (and old (equal from path))) (file-modes path))))
        (set-file-modes path (if (numberp executable) executable (logior modes (ash (logand modes #o444) -2))))))))

(defun greenloop-text--put (text hunks)
  "Make TEXT the text of the current buffer, by HUNKS where they lead to it.
It is one step of undo; marks and cursors outside of HUNKS keep their place."
  (undo-boundary)
  (let ((group (prepare-change-group))
        (coding buffer-file-coding-system)
        (right (lambda () (equal (greenloop-text-of (current-buffer)) text)))
        done)
    (activate-change-group group)
    (unwind-protect
        (save-excursion
          (save-restriction
            (widen)
            (unless (funcall right) (mapc #'greenloop-text--put-hunk (reverse hunks)))
            (unless (funcall right) (greenloop-text--put-whole text))
            (unless (setq done (funcall right)) (greenloop-text--refuse "%s cannot hold the new text" (buffer-name)))))
      (if done (undo-amalgamate-change-group group)
        (setq buffer-file-coding-system coding)
        (cancel-change-group group))))
  (undo-boundary))

(defun greenloop-text--put-hunk (hunk)
  "Replace the lines that HUNK is about."
  (let ((start (greenloop-text-line (plist-get hunk :start)))
        (end (greenloop-text-line (plist-get hunk :end))))
    (goto-char start)
    (insert (greenloop-text--decoded (plist-get hunk :new)))
    (delete-region (point) (+ (point) (- end start)))))

(defun greenloop-text--put-whole (text)
  "Replace the whole current buffer by TEXT, and its line ends by those of TEXT."
  (let ((dos (and (string-search "\r\n" text) (not (string-match-p "\\(?:\\`\\|[^\r]\\)\n" text))))
        (target (current-buffer)))
    (setq buffer-file-coding-system (coding-system-change-eol-conversion (greenloop-text--coding) (if dos 'dos 'unix)))
    ;; other line ends are a change, though the buffer does not show it
    (set-buffer-modified-p t)
    (let ((decoded (greenloop-text--decoded text)))
      (with-temp-buffer
        (insert decoded)
        (let ((source (current-buffer))) (with-current-buffer target (replace-buffer-contents source 1.0)))))))

(defun greenloop-text--decoded (text)
  "Return TEXT as the current buffer has it."
  (let ((coding (greenloop-text--coding)))
    (when (string-match-p "[^[:ascii:]]" text) (setq buffer-file-coding-system coding))
    (decode-coding-string (encode-coding-string text 'utf-8-unix) coding)))

(provide 'greenloop-text)
;;; greenloop-text.el ends here
