;;; greenloop-link.el --- The connection to Greenloop's sidecar  -*- lexical-binding: t; -*-
;;; Commentary:
;; One process, `greenloop aid connect', for all of Emacs: it starts the sidecar
;; on first use, and outlives its restarts.  What comes is queued for a timer: the
;; jsonrpc of Emacs 28 loses its place if a handler in the process filter waits.
;;; Code:
(require 'cl-lib)
(require 'jsonrpc)
(require 'project)
(require 'subr-x)

(defgroup greenloop nil
  "Changes of code that a real build has checked."
  :group 'tools :prefix "greenloop-")

(defcustom greenloop-command '("greenloop" "aid" "connect")
  "The program that reaches the sidecar, and its arguments."
  :type '(repeat string))

(defcustom greenloop-approve-function #'greenloop-link-approved-p
  "Asks the person whether a tool may run, and returns the answer.
Its argument is what the sidecar says of the call: a property list with
`:tool', `:arguments' and `:why'."
  :type 'function)

(cl-defstruct (greenloop-workspace (:constructor greenloop-link--workspace))
  "A workspace that the sidecar follows; its NAME is nil while none does.
STATUS is the newest one; ASKED: the person was asked for trust."
  name root trusted status asked)

(defclass greenloop-link--class (jsonrpc-process-connection)
  ;; no log of messages is kept: the slot of before Emacs 30, whose argument it warns of, and the one since
  ((-events-buffer-scrollback-size :initform 0) (-events-buffer-config :initform '(:size 0)))
  "A connection of which a request may be answered later.")

(defvar greenloop-link--connection nil "The connection; nil before the first use.")
(defvar greenloop-link--workspaces nil "Alist of a project's folder → workspace.")
(defvar greenloop-link--handlers nil "Alist of a notification's name → function.")
(defvar greenloop-link--queue nil "What came and is not handled yet, oldest first.")
(defvar greenloop-link--timer nil "The timer that works the queue off.")
(defvar greenloop-link--questions nil "The sidecar's questions that wait: (ID LINK PARAMETERS).")
(defvar greenloop-link--asking nil "The ID of the question that is being asked.")
(defvar greenloop-link-lost-functions nil "Called with the folders that were open when the connection is lost.")

(cl-defmethod jsonrpc-connection-send ((link greenloop-link--class) &rest args &key id result &allow-other-keys)
  "Send the message ARGS over LINK.
An answer whose RESULT is a function is not sent: the function gets LINK
and the ID, and sends the answer some day."
  (ignore args)
  (if (functionp result) (funcall result link id) (cl-call-next-method)))

(defun greenloop-link--later (function &rest arguments)
  "Call FUNCTION with ARGUMENTS soon, after all that came before."
  (setq greenloop-link--queue (nconc greenloop-link--queue (list (cons function arguments))))
  (unless greenloop-link--timer (setq greenloop-link--timer (run-at-time 0 nil #'greenloop-link--work))))

(defun greenloop-link--work ()
  "Handle what came.  An error in one handler does not stop the others."
  (unwind-protect
      (while greenloop-link--queue (let ((entry (pop greenloop-link--queue))) (apply (car entry) (cdr entry))))
    (setq greenloop-link--timer (and greenloop-link--queue (run-at-time 0 nil #'greenloop-link--work)))))

(defun greenloop-link-on (method function)
  "Let FUNCTION have the parameters of each notification METHOD, a symbol."
  (setf (alist-get method greenloop-link--handlers) function))

(defun greenloop-link-ensure ()
  "Return the connection; make one if there is none."
  (unless (and greenloop-link--connection (jsonrpc-running-p greenloop-link--connection))
    (unless (executable-find (car greenloop-command))
      (user-error "Greenloop: there is no program %s (install it, or set `greenloop-command')" (car greenloop-command)))
    (setq greenloop-link--connection
          (make-instance 'greenloop-link--class :name "Greenloop"
                         :process
                         (lambda ()
                           ;; not in a folder that may go while the process lives
                           (let ((default-directory (expand-file-name "~/")))
                             (make-process :name "greenloop" :command greenloop-command :connection-type 'pipe
                                           :coding 'utf-8-emacs-unix :noquery t
                                           :stderr (get-buffer-create "*Greenloop stderr*"))))
                         :notification-dispatcher #'greenloop-link--notified
                         :request-dispatcher #'greenloop-link--requested
                         :on-shutdown (lambda (_) (greenloop-link--later #'greenloop-link--lost))))
    (greenloop-link-call
     'initialize '(:client "emacs" :version "0.1.0" :protocol 1 :encoding "utf-32" :can_approve t) #'ignore))
  greenloop-link--connection)

(defun greenloop-link--lost ()
  "Note that nobody follows the workspaces any more."
  (mapc #'greenloop-link--take-back (mapcar #'car greenloop-link--questions))
  (run-hook-with-args
   'greenloop-link-lost-functions
   (cl-loop for (folder . workspace) in greenloop-link--workspaces
            when (greenloop-workspace-name workspace) collect folder
            do (setf (greenloop-workspace-name workspace) nil (greenloop-workspace-status workspace) nil))))

(defun greenloop-link--notified (_link method params)
  "Queue the notification METHOD with PARAMS."
  (if (eq method '$/cancelRequest)
      (greenloop-link--take-back (plist-get params :id))
    (when-let ((handler (alist-get method greenloop-link--handlers))) (greenloop-link--later handler params))))

(defun greenloop-link--requested (_link method params)
  "Take the sidecar's request METHOD with PARAMS."
  (unless (eq method 'approval/request) (jsonrpc-error :code -32601 :message (format "%s is not served" method)))
  (lambda (link id)
    (setq greenloop-link--questions (nconc greenloop-link--questions (list (list id link params))))
    (run-at-time 0 nil #'greenloop-link--ask)))

(defun greenloop-link-said (fault)
  "Return FAULT of an answer in words, its way out among them."
  (let ((way-out (or (plist-get (plist-get fault :data) :way_out) ""))
        (message (or (plist-get fault :message) "no answer")))
    (if (string-search way-out message) message (format "%s (%s)" message way-out))))

(defun greenloop-link-call (method params then &optional else)
  "Send request METHOD with PARAMS; THEN gets the answer, ELSE the error."
  (jsonrpc-async-request
   (greenloop-link-ensure) method params :timeout nil
   :success-fn (lambda (answer) (greenloop-link--later then answer))
   :error-fn (lambda (fault)
               (greenloop-link--later (or else (lambda (one) (message "Greenloop: %s" (greenloop-link-said one))))
                                      fault))))

(defun greenloop-link-wait (method params)
  "Send request METHOD with PARAMS, and return its answer.
A refusal becomes a `user-error' with its way out."
  (let (answer fault)
    ;; not by `jsonrpc-request': it leaves the filter, and what came behind the answer stays there
    (jsonrpc-async-request
     (greenloop-link-ensure) method params :timeout 300 :timeout-fn (lambda () (setq fault '(:message "no answer")))
     :success-fn (lambda (one) (setq answer (list one))) :error-fn (lambda (one) (setq fault one)))
    (while (not (or answer fault)) (accept-process-output nil 0.1))
    (if fault (user-error "Greenloop: %s" (greenloop-link-said fault)) (car answer))))

(defun greenloop-link--take-back (id)
  "Take the question ID back: nobody waits for its answer any more."
  (setq greenloop-link--questions (assoc-delete-all id greenloop-link--questions))
  (when (and (equal id greenloop-link--asking) (active-minibuffer-window)) (run-at-time 0 nil #'abort-recursive-edit)))

(defun greenloop-link--ask ()
  "Ask the person the oldest question, and answer the sidecar.
Whatever the person does not say is a no."
  (when (and greenloop-link--questions (not greenloop-link--asking))
    (pcase-let* ((`(,id ,link ,params) (car greenloop-link--questions))
                 (greenloop-link--asking id)
                 (enable-recursive-minibuffers t)
                 (approved (condition-case nil
                               (save-window-excursion (funcall greenloop-approve-function params))
                             ((quit error) nil))))
      (if (not (assoc id greenloop-link--questions))
          (message "Greenloop: the question was taken back")
        (setq greenloop-link--questions (assoc-delete-all id greenloop-link--questions))
        (when (jsonrpc-running-p link)
          (jsonrpc-connection-send link :id id :result (list :approved (if approved t :json-false))))))
    (greenloop-link--ask)))

(defun greenloop-link-approved-p (params)
  "Show the tool and its arguments in PARAMS as they are, and ask for approval."
  (greenloop-link-show
   "*Greenloop approval*"
   (format "Tool: %s\nWhy: %s\nArguments:\n" (plist-get params :tool) (plist-get params :why))
   (cl-loop for (name value) on (plist-get params :arguments) by #'cddr
            concat (format "  %s: %s\n" (substring (symbol-name name) 1)
                           (json-serialize value :null-object nil :false-object :json-false))))
  (yes-or-no-p (format "Greenloop: may the tool %s be run? " (plist-get params :tool))))

(defun greenloop-link-show (name &rest texts)
  "Show TEXTS in a window, in the buffer NAME."
  (with-current-buffer (get-buffer-create name)
    (let ((inhibit-read-only t)) (erase-buffer) (mapc #'insert texts))
    (goto-char (point-min))
    (special-mode)
    (display-buffer (current-buffer))))

(defvar-local greenloop-link--here nil "The current directory, and the folder of its project.")

(defun greenloop-link--folder ()
  "Return the folder of the current buffer's project; the mode line asks often."
  (when (file-remote-p default-directory)
    (user-error "Greenloop: %s is on another machine; run Emacs there" default-directory))
  (unless (equal default-directory (car greenloop-link--here))
    (let* ((project (project-current)) (folder (if project (project-root project) default-directory)))
      (setq greenloop-link--here (cons default-directory (file-truename folder)))))
  (cdr greenloop-link--here))

(defun greenloop-link-workspace ()
  "Return the workspace of the current buffer if it is open, else nil."
  (when (and greenloop-link--workspaces (not (file-remote-p default-directory)))
    (let ((workspace (cdr (assoc (greenloop-link--folder) greenloop-link--workspaces))))
      (and workspace (greenloop-workspace-name workspace) workspace))))

(defun greenloop-link--opened (folder state)
  "Remember that the workspace of FOLDER is open, in STATE; return it."
  (let ((workspace (or (cdr (assoc folder greenloop-link--workspaces)) (greenloop-link--workspace))))
    (setf (alist-get folder greenloop-link--workspaces nil nil #'equal) workspace
          (greenloop-workspace-name workspace) (plist-get state :workspace)
          (greenloop-workspace-root workspace) (file-name-as-directory (file-truename (plist-get state :root)))
          (greenloop-workspace-trusted workspace) (eq t (plist-get state :trusted)))
    workspace))

(defun greenloop-link-open ()
  "Open the workspace of the current buffer, soon, unless it is open."
  (let ((folder (greenloop-link--folder)))
    (unless (greenloop-link-workspace)
      (greenloop-link-call 'workspace/open (list :path (directory-file-name folder))
                           (apply-partially #'greenloop-link--opened folder)))))

(defun greenloop-link-need-workspace ()
  "Return the workspace of the current buffer, opened now if need be.
Asks once for trust, where nothing may be built yet."
  (let* ((folder (greenloop-link--folder))
         (workspace (or (greenloop-link-workspace)
                        (greenloop-link--opened
                         folder (greenloop-link-wait 'workspace/open (list :path (directory-file-name folder)))))))
    (unless (or (greenloop-workspace-trusted workspace) (greenloop-workspace-asked workspace))
      (setf (greenloop-workspace-asked workspace) t)
      (when (yes-or-no-p (format "Greenloop: may %s be built and run, in a sandbox? "
                                 (greenloop-workspace-root workspace)))
        (greenloop-link-trust workspace t)))
    workspace))

(defun greenloop-link-trust (workspace trusted)
  "Say whether WORKSPACE may be built and run: TRUSTED."
  (setf (greenloop-workspace-asked workspace) t)
  (greenloop-link--opened (car (rassq workspace greenloop-link--workspaces))
                          (greenloop-link-wait 'workspace/trust
                                               (list :workspace (greenloop-workspace-name workspace)
                                                     :trusted (if trusted t :json-false)))))

(provide 'greenloop-link)
;;; greenloop-link.el ends here
