;;; greenloop-turn.el --- A turn: from a request to what is accepted  -*- lexical-binding: t; -*-
;;; Commentary:
;; What happened in each turn, and what the person decided; nothing is shown here.
;;; Code:
(require 'greenloop-link)
(require 'greenloop-text)

(cl-defstruct (greenloop-turn (:constructor greenloop-turn--make))
  "One request.  REQUEST is what it was made of, so that it can be made again.
STATE is `running', `done', `cancelled' or `failed'.  SUGGESTIONS are best
first.  DECIDED is an alist of (SUGGESTION . HUNK) → what became of it.
ACCEPTANCES are newest first.  BUSY is `cancel' or `accept' meanwhile."
  id conversation workspace talk request (state 'running) suggestions decided
  acceptances ended thoughts busy)

(cl-defstruct (greenloop-acceptance (:constructor greenloop-turn--acceptance))
  "What was written: STEPS.  KEYS are those of DECIDED; UNDONE: it was taken back."
  id turn steps keys undone)

(defvar greenloop-turn-all nil "Every turn of this session, newest first.")
(defvar greenloop-turn-news-functions nil
  "Called with a turn, what is new (a symbol), and its parameters.
The news are `started', `progress', `delta', `candidate', `ended', and with a
sentence for the person `accepted', `refused', `undone' and `stale'.")

(defun greenloop-turn--tell (turn what params)
  "Let all hear WHAT is new of TURN: PARAMS."
  (run-hook-with-args 'greenloop-turn-news-functions turn what params))

(defun greenloop-turn-running (&optional workspace)
  "Return what is running in WORKSPACE, or anywhere."
  (cl-remove-if-not (lambda (turn) (and (eq (greenloop-turn-state turn) 'running)
                                        (memq workspace (list nil (greenloop-turn-workspace turn)))))
                    greenloop-turn-all))

(defun greenloop-turn-start (workspace talk request conversation)
  "Start the turn of REQUEST in WORKSPACE, going on with CONVERSATION.
REQUEST is a property list of `turn/start' whose place is a list of markers;
what is as it is now comes to it.  TALK is the buffer that shows it."
  (let* ((turn (greenloop-turn--make :workspace workspace :talk talk :request request :conversation conversation))
         (root (greenloop-workspace-root workspace))
         (place (greenloop-text-place root (plist-get request :place))))
    (greenloop-link-call
     'turn/start
     (append (list :workspace (greenloop-workspace-name workspace) :conversation (or conversation "")
                   :seen (or (plist-get (greenloop-workspace-status workspace) :problems) [])
                   :buffers (greenloop-text-unsaved root))
             (plist-put (copy-sequence request) :place place))
     (lambda (answer)
       (setf (greenloop-turn-id turn) (plist-get answer :turn)
             (greenloop-turn-conversation turn) (plist-get answer :conversation))
       (greenloop-turn--tell turn 'started answer)
       ;; it was cancelled before it had a name
       (when (eq (greenloop-turn-busy turn) 'cancel) (greenloop-turn-cancel turn)))
     (lambda (fault)
       (greenloop-turn--end turn (list :outcome "failed" :fault (append (plist-get fault :data) fault)))))
    ;; answers come later: what could not be sent is not running
    (car (push turn greenloop-turn-all))))

(defun greenloop-turn-cancel (turn)
  "Cancel TURN."
  (if (greenloop-turn-id turn)
      (greenloop-link-call 'turn/cancel (list :turn (greenloop-turn-id turn)) #'ignore)
    (setf (greenloop-turn-busy turn) 'cancel)))

(defun greenloop-turn--heard (what news)
  "Take NEWS of a turn, which are about WHAT."
  (let ((turn (cl-find (plist-get news :turn) greenloop-turn-all :key #'greenloop-turn-id :test #'equal)))
    (when (and turn (eq (greenloop-turn-state turn) 'running))
      (pcase what
        ('candidate
         (let* ((suggestion (plist-get news :suggestion))
                (others (cl-remove (plist-get suggestion :id) (greenloop-turn-suggestions turn)
                                   :key (lambda (one) (plist-get one :id)) :test #'equal))
                (rank (plist-get news :rank)))
           (setf (greenloop-turn-suggestions turn)
                 (append (seq-take others rank) (list suggestion) (seq-drop others rank)))))
        ((and 'delta (guard (eq t (plist-get news :thought))))
         (push (plist-get news :text) (greenloop-turn-thoughts turn))))
      (if (eq what 'ended) (greenloop-turn--end turn news) (greenloop-turn--tell turn what news)))))

(defun greenloop-turn--end (turn news)
  "End TURN, as NEWS say."
  (setf (greenloop-turn-state turn) (intern (plist-get news :outcome))
        (greenloop-turn-busy turn) nil
        (greenloop-turn-ended turn) news
        (greenloop-turn-suggestions turn)
        (cl-loop for id across (or (plist-get news :order) [])
                 append (cl-remove id (greenloop-turn-suggestions turn)
                                   :key (lambda (one) (plist-get one :id)) :test-not #'equal)))
  (greenloop-turn--tell turn 'ended news))

(defun greenloop-turn--lost (_folders)
  "End what ran over a connection that is lost."
  (dolist (turn (greenloop-turn-running))
    (greenloop-turn--end
     turn '(:outcome "failed" :fault (:code "sidecar-unreachable" :way_out "ask again"
                                            :message "the connection to the sidecar ended")))))

(dolist (what '(progress delta candidate ended))
  (greenloop-link-on (intern (format "turn/%s" what)) (apply-partially #'greenloop-turn--heard what)))
(add-hook 'greenloop-link-lost-functions #'greenloop-turn--lost)

(defun greenloop-turn-keys (suggestion &optional path)
  "Return the keys of the hunks of SUGGESTION, or of those of its file PATH alone.
A file without hunks, as one that is only renamed, has its path in their place."
  (cl-loop for file across (plist-get suggestion :files)
           for ids = (mapcar (lambda (hunk) (plist-get hunk :id)) (plist-get file :hunks))
           when (member path (list nil (plist-get file :path)))
           append (mapcar (lambda (id) (cons (plist-get suggestion :id) id)) (or ids (list (plist-get file :path))))))

(defun greenloop-turn-decided-p (turn key)
  "Return what became of KEY in TURN, nil while it waits."
  (cdr (assoc key (greenloop-turn-decided turn))))

(defun greenloop-turn--decide (turn keys what)
  "Note that KEYS of TURN are WHAT by now; nil: they wait again."
  (dolist (key keys) (setf (alist-get key (greenloop-turn-decided turn) nil t #'equal) what)))

(defun greenloop-turn-shown (turn suggestion)
  "Report that the person has SUGGESTION of TURN before the eyes."
  (let ((key (cons 'shown (plist-get suggestion :id))))
    (unless (greenloop-turn-decided-p turn key)
      (greenloop-turn--decide turn (list key) 'shown)
      (greenloop-link-call
       'suggestion/shown (list :turn (greenloop-turn-id turn) :suggestion (plist-get suggestion :id))
       ;; one that is not ranked yet is not known yet: it is told when the turn has ended
       #'ignore (lambda (_) (greenloop-turn--decide turn (list key) nil))))))

(defun greenloop-turn--hunks (suggestion keys)
  "Return KEYS of SUGGESTION as requests have them: nil for all."
  (when (cl-set-difference (greenloop-turn-keys suggestion) keys :test #'equal) (vconcat (mapcar #'cdr keys))))

(defun greenloop-turn-refuse (turn suggestion keys)
  "Refuse the hunks KEYS of SUGGESTION of TURN."
  (greenloop-turn--decide turn keys 'refused)
  (greenloop-link-call
   'suggestion/refuse (list :turn (greenloop-turn-id turn) :suggestion (plist-get suggestion :id)
                            :hunks (greenloop-turn--hunks suggestion keys))
   #'ignore)
  (greenloop-turn--tell turn 'refused (format "Refused: %s." (greenloop-turn--named suggestion keys))))

(defun greenloop-turn-accept (turn suggestion keys)
  "Accept the hunks KEYS of SUGGESTION of TURN, and write them."
  (when (greenloop-turn-busy turn) (user-error "Greenloop: the last change is still being handed over"))
  (greenloop-link-call
   'suggestion/accept
   (list :turn (greenloop-turn-id turn) :suggestion (plist-get suggestion :id)
         :hunks (greenloop-turn--hunks suggestion keys)
         :buffers (greenloop-text-open
                   (greenloop-workspace-root (greenloop-turn-workspace turn))
                   (cl-loop for file across (plist-get suggestion :files)
                            collect (plist-get file :path)
                            when (plist-get file :new_path) collect it)))
   (lambda (handover) (setf (greenloop-turn-busy turn) nil) (greenloop-turn--write turn suggestion keys handover))
   (lambda (fault)
     (setf (greenloop-turn-busy turn) nil)
     (greenloop-turn--tell turn 'stale (format "Nothing was written: %s." (greenloop-link-said fault)))))
  (setf (greenloop-turn-busy turn) 'accept))

(defun greenloop-turn--write (turn suggestion keys handover)
  "Write HANDOVER, which is what KEYS of SUGGESTION of TURN come to, and report it."
  (let* ((id (plist-get handover :acceptance))
         (renames (cl-loop for file across (plist-get suggestion :files)
                           when (plist-get file :new_path) collect (cons (plist-get file :path) it)))
         (why (condition-case refusal
                  (let ((steps (greenloop-text-plan (greenloop-workspace-root (greenloop-turn-workspace turn))
                                                    (append (plist-get handover :files) nil) renames)))
                    (greenloop-text-write steps)
                    (greenloop-turn--decide turn keys 'accepted)
                    (push (greenloop-turn--acceptance :id id :turn turn :steps steps :keys keys)
                          (greenloop-turn-acceptances turn))
                    (greenloop-turn--watch (car (greenloop-turn-acceptances turn)))
                    nil)
                (greenloop-text-refused (cadr refusal))
                (file-error (error-message-string refusal)))))
    (greenloop-link-call 'suggestion/applied
                         (list :acceptance id :applied (if why :json-false t) :note (or why "")) #'ignore)
    (if why
        (greenloop-turn--tell turn 'stale (format "Nothing was written: %s." why))
      (greenloop-turn--tell
       turn 'accepted
       (format "Accepted: %s; %s%s." (greenloop-turn--named suggestion keys) (plist-get handover :label)
               (if (eq t (plist-get handover :rebased)) ", judged anew on the text that changed meanwhile" ""))))))

(defun greenloop-turn--named (suggestion keys)
  "Return in words the files of SUGGESTION that KEYS are about."
  (if (null (greenloop-turn--hunks suggestion keys)) "all changes"
    (string-join (cl-loop for file across (plist-get suggestion :files)
                          for path = (plist-get file :path)
                          when (cl-intersection keys (greenloop-turn-keys suggestion path) :test #'equal)
                          collect (format "%d in %s" (length it) path))
                 ", ")))

(defun greenloop-turn-last-acceptance (workspace)
  "Return the newest acceptance in WORKSPACE that was not taken back."
  (cl-loop for turn in greenloop-turn-all
           when (eq (greenloop-turn-workspace turn) workspace)
           thereis (cl-find-if-not #'greenloop-acceptance-undone (greenloop-turn-acceptances turn))))

(defun greenloop-turn-undo (acceptance)
  "Take ACCEPTANCE back in one step: all of its files, or none of them."
  (condition-case refusal
      (greenloop-text-write (greenloop-text-inverse (greenloop-acceptance-steps acceptance)))
    (greenloop-text-refused (user-error "Greenloop: nothing was taken back: %s" (cadr refusal))))
  (greenloop-turn--undone acceptance))

(defun greenloop-turn--undone (acceptance)
  "Report that ACCEPTANCE was taken back."
  (let ((turn (greenloop-acceptance-turn acceptance)))
    (setf (greenloop-acceptance-undone acceptance) t)
    (greenloop-turn--decide turn (greenloop-acceptance-keys acceptance) nil)
    (greenloop-link-call 'suggestion/undone (list :acceptance (greenloop-acceptance-id acceptance)) #'ignore)
    (greenloop-turn--tell turn 'undone "Taken back: the files are as they were before.")))

(defvar-local greenloop-turn--watched nil "The acceptances that `undo' may take back in this buffer, newest first.")

(defun greenloop-turn--watch (acceptance)
  "Notice it when ACCEPTANCE is taken back by plain `undo' in its buffers."
  (dolist (step (greenloop-acceptance-steps acceptance))
    (when-let ((buffer (find-buffer-visiting (greenloop-text-step-path step))))
      (with-current-buffer buffer
        (push acceptance greenloop-turn--watched)
        (add-hook 'post-command-hook #'greenloop-turn--look nil t)))))

(defun greenloop-turn--look ()
  "Report the acceptances of which `undo' has brought back each text before them."
  (when (string-match-p "undo" (format "%s" this-command))
    (dolist (acceptance greenloop-turn--watched)
      (when (and (not (greenloop-acceptance-undone acceptance))
                 (cl-every (lambda (step) (equal (greenloop-text-now (greenloop-text-step-from step))
                                                 (greenloop-text-step-old step)))
                           (greenloop-acceptance-steps acceptance)))
        (greenloop-turn--undone acceptance)))
    (unless (setq greenloop-turn--watched (cl-remove-if #'greenloop-acceptance-undone greenloop-turn--watched))
      (remove-hook 'post-command-hook #'greenloop-turn--look t))))

(provide 'greenloop-turn)
;;; greenloop-turn.el ends here
