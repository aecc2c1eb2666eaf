;;; greenloop-drive.el --- Plays a scenario of the corpus in this Emacs  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; `tests/editors/stage.py' makes the job, a file of JSON that the variable
;; GREENLOOP_JOB of the environment names, and compares what there is at the end.
;; Each step is what a person does: commands, or the keys of a buffer.

;;; Code:

(require 'cl-lib)
(require 'ert)
(require 'json)
(require 'greenloop)

(defvar greenloop-drive-patience 240 "Seconds that anything may take on a busy machine.")
(defvar greenloop-drive--told nil "What the person was told, newest first.")
(defvar greenloop-drive--turn nil "The turn of the last request.")
(defvar greenloop-drive--turns nil "How the turns ended, newest first.")
(defvar greenloop-drive--words "" "What the model has said in this turn.")

(defun greenloop-drive--until (what look)
  "Wait until LOOK returns something, and return that; WHAT it is, if it never does."
  (let ((deadline (+ (float-time) greenloop-drive-patience)) found)
    (while (not (setq found (funcall look)))
      (when (> (float-time) deadline) (error "Waited in vain for %s" what))
      (accept-process-output nil 0.05))
    found))

(defun greenloop-drive--key (keys)
  "Do in the current buffer what KEYS are bound to."
  (let ((command (key-binding (kbd keys))))
    (unless (commandp command) (error "%s is not bound in %s" keys (buffer-name)))
    (setq this-command command)
    (call-interactively command)
    (run-hooks 'post-command-hook)))

(defun greenloop-drive--at (step)
  "Be where STEP says."
  (let ((path (alist-get 'path step)))
    (unless (member path '(nil ""))
      (switch-to-buffer (find-file-noselect path))
      (goto-char (point-min))
      (forward-line (alist-get 'line step)))))

(defun greenloop-drive--started ()
  "Note the turn that was just started."
  (setq greenloop-drive--turn (car greenloop-turn-all)
        greenloop-drive--words ""))

(defun greenloop-drive--talk ()
  "Return the conversation."
  (greenloop-talk-buffer (greenloop-link-need-workspace)))

(defun greenloop-drive--review (step keys file-keys all-keys)
  "Decide as STEP says: by KEYS at hunks, FILE-KEYS at a file, or ALL-KEYS."
  (greenloop-review)
  (let ((hunks (append (alist-get 'hunks step) nil))
        (path (alist-get 'path step)))
    (cond
     (hunks (dolist (hunk hunks)
              (greenloop-drive--goto 'greenloop-keys (lambda (value) (member hunk (mapcar #'cdr value))))
              (greenloop-drive--key keys)
              (greenloop-drive--handed)))
     ((member path '(nil "")) (greenloop-drive--key all-keys))
     (t (greenloop-drive--goto 'greenloop-file (lambda (value) (equal (plist-get value :path) path)))
        (greenloop-drive--key file-keys))))
  (greenloop-drive--handed))

(defun greenloop-drive--goto (property right)
  "Go to the first line whose PROPERTY is RIGHT."
  (goto-char (point-min))
  (while (not (let ((value (get-text-property (point) property))) (and value (funcall right value))))
    (when (eobp) (error "There is no such place in the review"))
    (forward-line 1)))

(defun greenloop-drive--handed ()
  "Wait until what was accepted is written, or refused."
  (greenloop-drive--until "the hand-over" (lambda () (not (greenloop-turn-busy greenloop-drive--turn))))
  ;; so that the sidecar has heard of it
  (greenloop-link-wait 'sidecar/status (make-hash-table)))

(defun greenloop-drive--ended ()
  "Wait for the end of the turn, and note it."
  (greenloop-drive--until "the end of the turn" (lambda () (greenloop-turn-ended greenloop-drive--turn)))
  (push (list :outcome (symbol-name (greenloop-turn-state greenloop-drive--turn))
              :label (or (plist-get (car (greenloop-turn-suggestions greenloop-drive--turn)) :label) "")
              :fault (or (plist-get (plist-get (greenloop-turn-ended greenloop-drive--turn) :fault) :code) ""))
        greenloop-drive--turns)
  (greenloop-drive--hear))

(defun greenloop-drive--hear ()
  "Note what the person can read in the conversation and the review."
  (dolist (buffer (buffer-list))
    (when (string-prefix-p "*Greenloop" (buffer-name buffer))
      (push (with-current-buffer buffer (buffer-substring-no-properties (point-min) (point-max)))
            greenloop-drive--told))))

(defun greenloop-drive--step (step)
  "Do STEP."
  (let ((path (alist-get 'path step)))
    (pcase (alist-get 'do step)
      ("open" (switch-to-buffer (find-file-noselect path))
       (goto-char (point-min)))
      ("edit" (with-current-buffer (find-file-noselect path)
                (goto-char (point-min))
                (forward-line (alist-get 'line step))
                (delete-region (point) (line-beginning-position (1+ (alist-get 'remove step))))
                (seq-doseq (line (alist-get 'insert step)) (insert line "\n"))))
      ("disk" (let ((coding-system-for-write 'utf-8-unix))
                (write-region (alist-get 'content step) nil (expand-file-name path) nil 'quiet)))
      ("ask" (unless (eq t (alist-get 'go_on step))
               (with-current-buffer (greenloop-drive--talk) (greenloop-talk-new)))
       (greenloop-drive--at step)
       (if (eq t (alist-get 'whole_project step))
           (greenloop-ask-project (alist-get 'prompt step))
         (greenloop-ask (alist-get 'prompt step)))
       (greenloop-drive--started))
      ("fix" (greenloop-drive--at step)
       (greenloop-fix)
       (greenloop-drive--started))
      ("tool" (let ((greenloop-approve-function (lambda (_) (eq t (alist-get 'approve step))))
                    (arguments (make-hash-table :test #'equal))
                    (size (buffer-size (greenloop-drive--talk))))
                (cl-loop for (name . value) in (alist-get 'arguments step)
                         do (puthash (symbol-name name) value arguments))
                (greenloop-tools-call (greenloop-link-need-workspace) (alist-get 'name step) arguments)
                (greenloop-drive--until
                 "the tool's answer" (lambda () (/= size (buffer-size (greenloop-drive--talk)))))
                (greenloop-drive--hear)))
      ("await-status" (greenloop-drive--until
                       "the build status"
                       ;; what the mode line shows; in batch Emacs formats none
                       (lambda () (string-match-p (concat ":" (alist-get 'state step)) (greenloop-build-lighter)))))
      ("await-problem" (with-current-buffer (find-file-noselect path)
                         (flymake-start)
                         (greenloop-drive--until "the problem" (lambda () (greenloop-drive--problem step)))))
      ("await-words" (greenloop-drive--until
                      "the model's words"
                      (lambda () (with-current-buffer (greenloop-drive--talk)
                                   (save-excursion (goto-char (point-min))
                                                   (re-search-forward "^~~~text\n" nil t)
                                                   (search-forward (alist-get 'text step) nil t))))))
      ((or "release" "kill-sidecar")
       (let ((signal (alist-get 'signal step)))
         (write-region "" nil signal nil 'quiet)
         (greenloop-drive--until "the signal's end" (lambda () (file-exists-p (concat signal ".done"))))))
      ("await-end" (greenloop-drive--ended))
      ("cancel" (with-current-buffer (greenloop-drive--talk) (greenloop-drive--key "C-c C-k")))
      ("undo" (with-current-buffer (greenloop-review-find) (greenloop-drive--key "u"))
       (greenloop-drive--handed))
      ("accept" (greenloop-drive--review step "C-c C-a" "f" "y"))
      ("refuse" (greenloop-drive--review step "k" "K" "x"))
      (other (error "This driver does not know the step %s" other)))))

(defun greenloop-drive--problem (step)
  "Return the diagnostic that is at just the text and line of STEP."
  (cl-find-if (lambda (one)
                (and (= (line-number-at-pos (flymake-diagnostic-beg one)) (1+ (alist-get 'line step)))
                     (equal (alist-get 'text step)
                            (buffer-substring-no-properties (flymake-diagnostic-beg one)
                                                            (flymake-diagnostic-end one)))))
              (flymake-diagnostics)))

(defun greenloop-drive--buffers (root)
  "Return what every open file below ROOT would write."
  (let ((seen (make-hash-table :test #'equal)))
    (dolist (buffer (buffer-list))
      (when-let ((path (greenloop-text-path root buffer)))
        (puthash path
                 (list :base64 (base64-encode-string
                                (encode-coding-string (greenloop-text-of buffer) 'utf-8-unix) t)
                       :modified (if (buffer-modified-p buffer) t :false))
                 seen)))
    seen))

(defun greenloop-drive--write (file root problem)
  "Write into FILE how the turns ended, what was told, the buffers below ROOT, and PROBLEM."
  ;; whoever waits for the file finds the whole of it
  (with-temp-file (concat file ".part")
    (insert (json-serialize
             (list :turns (vconcat (reverse greenloop-drive--turns)) :told (vconcat (reverse greenloop-drive--told))
                   :buffers (greenloop-drive--buffers root) :problem problem)
             :false-object :false)))
  (rename-file (concat file ".part") file))

(defun greenloop-drive-report (file)
  "Write the report of what a person did by keys into FILE."
  (interactive "FReport written to: ")
  (dolist (turn (reverse greenloop-turn-all))
    (setq greenloop-drive--turn turn)
    (greenloop-drive--ended))
  ;; so that the sidecar has heard of all
  (greenloop-link-wait 'sidecar/status (make-hash-table))
  (greenloop-drive--write file (greenloop-workspace-root (greenloop-link-need-workspace)) "")
  (message "the report is written"))

(ert-deftest greenloop-drive ()
  "Play the job that the environment names, and write the report."
  (let* ((job (with-temp-buffer
                (insert-file-contents (getenv "GREENLOOP_JOB"))
                (json-parse-buffer :object-type 'alist :array-type 'array)))
         (root (file-name-as-directory (file-truename (alist-get 'root job))))
         (default-directory root)
         (greenloop-command (append (alist-get 'command job) '("aid" "connect") nil))
         (make-backup-files nil)
         (create-lockfiles nil)
         (problem ""))
    (advice-add 'message :before
                (lambda (&rest words) (when (car words) (push (apply #'format-message words) greenloop-drive--told))))
    (greenloop-global-mode)
    (condition-case fault
        (seq-doseq (step (alist-get 'steps job)) (greenloop-drive--step step))
      (error (setq problem (error-message-string fault))))
    (greenloop-drive--write (alist-get 'report job) root problem)
    (should (equal problem ""))))

(provide 'greenloop-drive)
;;; greenloop-drive.el ends here
