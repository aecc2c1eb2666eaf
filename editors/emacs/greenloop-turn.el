;;; greenloop-turn.el --- A turn: from a request to what is accepted  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; What happened in each turn, and what the person decided.  Nothing here
;; shows anything: the conversation and the review hear of it by the hooks.

;;; Code:

(require 'cl-lib)
(require 'greenloop-link)
(require 'greenloop-text)

(cl-defstruct (greenloop-turn (:constructor greenloop-turn--make))
  "One request.  REQUEST is what it was made of, so that it can be made again.
STATE is `running', `done', `cancelled' or `failed'.  SUGGESTIONS are best
first.  DECIDED is an alist of (SUGGESTION . HUNK) → what became of it.
ACCEPTANCES are newest first."
  id conversation workspace talk request (state 'running) suggestions decided
  acceptances ended thoughts busy)

(cl-defstruct (greenloop-acceptance (:constructor greenloop-turn--acceptance))
  "What was written: STEPS.  KEYS are those of DECIDED; UNDONE: it was taken back."
  id turn steps keys undone)

(defvar greenloop-turn-all nil "Every turn of this session, newest first.")
(defvar greenloop-turn--early nil "News of turns that have no name yet.")
(defvar greenloop-turn-news-functions nil
  "Called with a turn, what is new (a symbol), and its parameters.
The news are `progress', `delta', `candidate', `ended', `accepted', `refused',
`undone' and `stale'; the last four have a sentence for the person.")

(defun greenloop-turn--tell (turn what params)
  "Let all hear WHAT is new of TURN: PARAMS."
  (run-hook-with-args 'greenloop-turn-news-functions turn what params))

(defun greenloop-turn-named (id)
  "Return the turn ID."
  (cl-find id greenloop-turn-all :key #'greenloop-turn-id :test #'equal))

(defun greenloop-turn-running (&optional workspace)
  "Return the turns that run, of WORKSPACE or of all."
  (cl-remove-if-not (lambda (turn)
                      (and (eq (greenloop-turn-state turn) 'running)
                           (or (null workspace) (eq workspace (greenloop-turn-workspace turn)))))
                    greenloop-turn-all))

;;;; Asking

(defun greenloop-turn-start (workspace talk request conversation)
  "Start the turn of REQUEST in WORKSPACE, going on with CONVERSATION.
REQUEST is a property list of `turn/start', without workspace, buffers and
conversation.  TALK is the buffer that shows it.  Returns the turn."
  (let* ((turn (greenloop-turn--make :workspace workspace :talk talk :request request
                                     :conversation conversation))
         (params (append (list :workspace (greenloop-workspace-name workspace)
                               :buffers (greenloop-text-unsaved (greenloop-workspace-root workspace))
                               :conversation (or conversation ""))
                         request)))
    (push turn greenloop-turn-all)
    (greenloop-link-call
     'turn/start params
     (lambda (answer)
       (setf (greenloop-turn-id turn) (plist-get answer :turn)
             (greenloop-turn-conversation turn) (plist-get answer :conversation))
       (greenloop-turn--tell turn 'started answer)
       (let ((early (reverse greenloop-turn--early)))
         (setq greenloop-turn--early nil)
         (cl-loop for (what . news) in early do (greenloop-turn--heard what news)))
       ;; it was cancelled before it had a name
       (when (eq (greenloop-turn-busy turn) 'cancel) (greenloop-turn-cancel turn)))
     (lambda (fault)
       (greenloop-turn--end turn (list :outcome "failed" :fault (greenloop-turn--fault fault)))))
    turn))

(defun greenloop-turn--fault (fault)
  "Return FAULT of an answer as `turn/ended' has faults."
  (or (plist-get fault :data) (list :code "" :message (plist-get fault :message) :way_out "")))

(defun greenloop-turn-cancel (turn)
  "Cancel TURN."
  (if (greenloop-turn-id turn)
      (greenloop-link-call 'turn/cancel (list :turn (greenloop-turn-id turn)) #'ignore)
    (setf (greenloop-turn-busy turn) 'cancel)))

;;;; News

(defun greenloop-turn--heard (what news)
  "Take NEWS of a turn, which are about WHAT."
  (let ((turn (greenloop-turn-named (plist-get news :turn))))
    (cond
     ((null turn)
      ;; the answer that names it was overtaken
      (when (cl-find nil greenloop-turn-all :key #'greenloop-turn-id)
        (push (cons what news) greenloop-turn--early)))
     ((not (eq (greenloop-turn-state turn) 'running)))
     ((eq what 'ended) (greenloop-turn--end turn news))
     (t (pcase what
          ('candidate (greenloop-turn--rank turn (plist-get news :suggestion) (plist-get news :rank)))
          ('delta (when (eq t (plist-get news :thought))
                    (push (plist-get news :text) (greenloop-turn-thoughts turn)))))
        (greenloop-turn--tell turn what news)))))

(defun greenloop-turn--rank (turn suggestion rank)
  "Put SUGGESTION at RANK among those of TURN."
  (let ((others (cl-remove (plist-get suggestion :id) (greenloop-turn-suggestions turn)
                           :key (lambda (one) (plist-get one :id)) :test #'equal)))
    (setf (greenloop-turn-suggestions turn)
          (append (seq-take others rank) (list suggestion) (seq-drop others rank)))))

(defun greenloop-turn--end (turn news)
  "End TURN, as NEWS say."
  (let ((order (append (plist-get news :order) nil)))
    (setf (greenloop-turn-state turn) (intern (plist-get news :outcome))
          (greenloop-turn-ended turn) news
          (greenloop-turn-suggestions turn)
          (cl-loop for id in order
                   for found = (greenloop-turn-suggestion turn id)
                   when found collect found))
    (greenloop-turn--tell turn 'ended news)))

(defun greenloop-turn--lost ()
  "End the turns that ran over a connection that is lost."
  (dolist (turn (greenloop-turn-running))
    (greenloop-turn--end
     turn '(:outcome "failed" :fault (:code "sidecar-unreachable" :way_out "ask again"
                                            :message "the connection to the sidecar ended")))))

(dolist (what '(progress delta candidate ended))
  (greenloop-link-on (intern (format "turn/%s" what)) (apply-partially #'greenloop-turn--heard what)))
(add-hook 'greenloop-link-lost-hook #'greenloop-turn--lost)

;;;; Suggestions

(defun greenloop-turn-suggestion (turn id)
  "Return the suggestion ID of TURN."
  (cl-find id (greenloop-turn-suggestions turn)
           :key (lambda (one) (plist-get one :id)) :test #'equal))

(defun greenloop-turn-keys (suggestion &optional path)
  "Return the keys of the hunks of SUGGESTION, or of those of its file PATH alone.
A file without hunks, as one that is only renamed, has its path in their place."
  (cl-loop for file across (plist-get suggestion :files)
           when (or (null path) (equal path (plist-get file :path)))
           append (let ((hunks (append (plist-get file :hunks) nil)))
                    (mapcar (lambda (id) (cons (plist-get suggestion :id) id))
                            (if hunks (mapcar (lambda (hunk) (plist-get hunk :id)) hunks)
                              (list (plist-get file :path)))))))

(defun greenloop-turn-decided-p (turn key)
  "Return what became of KEY in TURN, nil while it waits."
  (cdr (assoc key (greenloop-turn-decided turn))))

(defun greenloop-turn--decide (turn keys what)
  "Note that KEYS of TURN are WHAT by now; nil: they wait again."
  (dolist (key keys)
    (setf (alist-get key (greenloop-turn-decided turn) nil t #'equal) what)))

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
  "Return KEYS of SUGGESTION as `suggestion/accept' has them: nil for all."
  (unless (null (cl-set-difference (greenloop-turn-keys suggestion) keys :test #'equal))
    (vconcat (mapcar #'cdr keys))))

(defun greenloop-turn-waiting (turn suggestion &optional path)
  "Return the keys of SUGGESTION of TURN that wait, of its file PATH or of all."
  (cl-remove-if (lambda (key) (greenloop-turn-decided-p turn key))
                (greenloop-turn-keys suggestion path)))

(defun greenloop-turn-refuse (turn suggestion keys)
  "Refuse the hunks KEYS of SUGGESTION of TURN."
  (let ((hunks (greenloop-turn--hunks suggestion keys)))
    (greenloop-turn--decide turn keys 'refused)
    (greenloop-link-call
     'suggestion/refuse (list :turn (greenloop-turn-id turn)
                              :suggestion (plist-get suggestion :id) :hunks hunks)
     #'ignore)
    (greenloop-turn--tell turn 'refused (format "Refused: %s." (greenloop-turn--named suggestion keys)))))

(defun greenloop-turn-accept (turn suggestion keys)
  "Accept the hunks KEYS of SUGGESTION of TURN, and write them."
  (when (greenloop-turn-busy turn)
    (user-error "Greenloop: the last change is still being handed over"))
  (setf (greenloop-turn-busy turn) 'accept)
  (let ((paths (cl-loop for file across (plist-get suggestion :files)
                        collect (plist-get file :path)
                        when (plist-get file :new_path) collect it))
        (root (greenloop-workspace-root (greenloop-turn-workspace turn))))
    (greenloop-link-call
     'suggestion/accept
     (list :turn (greenloop-turn-id turn) :suggestion (plist-get suggestion :id)
           :hunks (greenloop-turn--hunks suggestion keys)
           :buffers (greenloop-text-open root paths))
     (lambda (handover)
       (setf (greenloop-turn-busy turn) nil)
       (greenloop-turn--write turn suggestion keys handover))
     (lambda (fault)
       (setf (greenloop-turn-busy turn) nil)
       (greenloop-turn--tell turn 'stale (format "Nothing was written: %s." (greenloop-link-said fault)))))))

(defun greenloop-turn--write (turn suggestion keys handover)
  "Write HANDOVER, which is what KEYS of SUGGESTION of TURN come to, and report it."
  (let ((id (plist-get handover :acceptance))
        (root (greenloop-workspace-root (greenloop-turn-workspace turn)))
        (renames (cl-loop for file across (plist-get suggestion :files)
                          when (plist-get file :new_path)
                          collect (cons (plist-get file :path) (plist-get file :new_path)))))
    (condition-case refusal
        (let ((steps (greenloop-text-plan root (append (plist-get handover :files) nil) renames)))
          (greenloop-text-write steps)
          (greenloop-turn--decide turn keys 'accepted)
          (push (greenloop-turn--acceptance :id id :turn turn :steps steps :keys keys)
                (greenloop-turn-acceptances turn))
          (greenloop-turn--watch (car (greenloop-turn-acceptances turn)))
          (greenloop-link-call 'suggestion/applied (list :acceptance id :applied t) #'ignore)
          (greenloop-turn--tell
           turn 'accepted (format "Accepted: %s. %s%s" (greenloop-turn--named suggestion keys)
                                  (capitalize (substring (plist-get handover :label) 0 1))
                                  (concat (substring (plist-get handover :label) 1)
                                          (if (eq t (plist-get handover :rebased))
                                              ", judged anew on the text that changed meanwhile."
                                            ".")))))
      (greenloop-text-refused
       (let ((why (cadr refusal)))
         (greenloop-link-call 'suggestion/applied
                              (list :acceptance id :applied :json-false :note why) #'ignore)
         (greenloop-turn--tell turn 'stale (format "Nothing was written: %s." why)))))))

(defun greenloop-turn--named (suggestion keys)
  "Return KEYS of SUGGESTION in words."
  (if (null (greenloop-turn--hunks suggestion keys)) "all changes"
    (mapconcat
     #'identity
     (cl-loop for file across (plist-get suggestion :files)
              for mine = (cl-intersection keys (greenloop-turn-keys suggestion (plist-get file :path))
                                          :test #'equal)
              when mine collect (format "%s of %s"
                                        (if (= (length mine) 1) "one change"
                                          (format "%d changes" (length mine)))
                                        (plist-get file :path)))
     ", ")))

;;;; Undo

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
    (greenloop-turn--decide turn (greenloop-acceptance-keys acceptance) 'undone)
    (greenloop-link-call 'suggestion/undone (list :acceptance (greenloop-acceptance-id acceptance)) #'ignore)
    (greenloop-turn--tell turn 'undone "Taken back: the files are as they were before.")))

(defun greenloop-turn--watch (acceptance)
  "Notice it when ACCEPTANCE is taken back by plain `undo' in its buffers."
  (let (watch (buffers (cl-loop for step in (greenloop-acceptance-steps acceptance)
                                when (find-buffer-visiting (greenloop-text-step-path step)) collect it)))
    (setq watch
          (lambda ()
            (when (string-match-p "undo" (format "%s" this-command))
              (when (and (not (greenloop-acceptance-undone acceptance))
                         (greenloop-turn--as-before-p acceptance))
                (greenloop-turn--undone acceptance)))
            (when (greenloop-acceptance-undone acceptance)
              (remove-hook 'post-command-hook watch t))))
    (dolist (buffer buffers)
      (with-current-buffer buffer (add-hook 'post-command-hook watch nil t)))))

(defun greenloop-turn--as-before-p (acceptance)
  "Say whether every file of ACCEPTANCE has the text that it had before."
  (cl-every (lambda (step)
              (and (equal (greenloop-text-step-path step) (greenloop-text-step-from step))
                   (equal (greenloop-text-now (greenloop-text-step-path step))
                          (greenloop-text-step-old step))))
            (greenloop-acceptance-steps acceptance)))

(provide 'greenloop-turn)
;;; greenloop-turn.el ends here
