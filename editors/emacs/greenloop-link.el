;;; greenloop-link.el --- The connection to Greenloop's sidecar  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; One process, `greenloop aid connect', for the whole of Emacs.  It starts
;; the sidecar on first use, and outlives the sidecar's restarts.
;;
;; Nothing is handled within the process filter: what comes is queued, and a
;; timer works it off in order.  The jsonrpc of Emacs 28 loses its place in
;; the stream when a handler waits for more of the same process, as each one
;; that asks the person something does.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'project)
(require 'subr-x)

(defgroup greenloop nil
  "Changes of code that a real build has checked."
  :group 'tools
  :prefix "greenloop-")

(defcustom greenloop-command '("greenloop" "aid" "connect")
  "The program that reaches the sidecar, and its arguments."
  :type '(repeat string))

(defcustom greenloop-patience 300
  "How many seconds a command waits for the sidecar's answer."
  :type 'natnum)

(defcustom greenloop-approve-function #'greenloop-link-approved-p
  "Asks the person whether a tool may run, and returns the answer.
Its argument is what the sidecar says of the call: a property list with
`:tool', `:arguments' and `:why'."
  :type 'function)

(defconst greenloop-version "0.1.0"
  "The version of this layer, as the sidecar is told it.")

(cl-defstruct (greenloop-workspace (:constructor greenloop-link--workspace))
  "A workspace that the sidecar follows.  ASKED: the person was asked for trust."
  name root trusted toolchain status asked)

(defclass greenloop-link--class (jsonrpc-process-connection) ()
  "A connection of which a request may be answered later.")

(defvar greenloop-link--connection nil)
(defvar greenloop-link--workspaces nil "Alist of a project's folder → workspace.")
(defvar greenloop-link--handlers nil "Alist of a notification's name → function.")
(defvar greenloop-link--queue nil "What came and is not handled yet, oldest first.")
(defvar greenloop-link--timer nil)
(defvar greenloop-link--questions nil
  "Questions of the sidecar that wait for the person, as (ID LINK PARAMETERS).")
(defvar greenloop-link--asking nil "The ID of the question that is being asked.")
(defvar greenloop-link-lost-hook nil
  "Run when there is no connection any more.")

(cl-defmethod jsonrpc-connection-send ((link greenloop-link--class)
                                       &rest args &key id result &allow-other-keys)
  "Send a message over LINK.
An answer whose RESULT is a function is not sent: the function gets LINK
and the ID, and sends the answer some day."
  (if (functionp result) (funcall result link id) (cl-call-next-method)))

;;;; The queue

(defun greenloop-link--later (function &rest arguments)
  "Call FUNCTION with ARGUMENTS soon, after all that came before."
  (setq greenloop-link--queue
        (nconc greenloop-link--queue (list (cons function arguments))))
  (unless greenloop-link--timer
    (setq greenloop-link--timer (run-at-time 0 nil #'greenloop-link--work))))

(defun greenloop-link--work ()
  "Handle what came.  An error in one handler keeps no other from its turn."
  (unwind-protect
      (while greenloop-link--queue
        (let ((entry (pop greenloop-link--queue)))
          (apply (car entry) (cdr entry))))
    (setq greenloop-link--timer nil)
    (when greenloop-link--queue
      (setq greenloop-link--timer (run-at-time 0 nil #'greenloop-link--work)))))

;;;; The connection

(defun greenloop-link-on (method function)
  "Let FUNCTION have the parameters of each notification METHOD, a symbol."
  (setf (alist-get method greenloop-link--handlers) function))

(defun greenloop-link-live-p ()
  "Say whether there is a connection."
  (and greenloop-link--connection (jsonrpc-running-p greenloop-link--connection)))

(defun greenloop-link-ensure ()
  "Return the connection; make one if there is none."
  (unless (greenloop-link-live-p)
    (unless (executable-find (car greenloop-command))
      (user-error "Greenloop: there is no program %s (install it, or set `greenloop-command')"
                  (car greenloop-command)))
    (setq greenloop-link--connection
          (make-instance
           'greenloop-link--class
           :name "Greenloop"
           :events-buffer-scrollback-size 0
           :process #'greenloop-link--start
           :notification-dispatcher #'greenloop-link--notified
           :request-dispatcher #'greenloop-link--requested
           :on-shutdown (lambda (_) (greenloop-link--later #'greenloop-link--lost))))
    (jsonrpc-async-request
     greenloop-link--connection 'initialize
     (list :client "emacs" :version greenloop-version :protocol 1
           :encoding "utf-32" :can_approve t)
     :success-fn #'ignore
     :error-fn (lambda (fault) (greenloop-link--later #'greenloop-link-tell fault))
     :timeout nil))
  greenloop-link--connection)

(defun greenloop-link--start ()
  "Start the program that reaches the sidecar."
  ;; not in a folder that may go while the process lives
  (let ((default-directory (expand-file-name "~/")))
    (make-process :name "greenloop" :command greenloop-command
                  :connection-type 'pipe :coding 'utf-8-emacs-unix :noquery t
                  :stderr (get-buffer-create "*Greenloop stderr*"))))

(defun greenloop-link--lost ()
  "Forget what only the lost connection knew."
  (setq greenloop-link--connection nil
        greenloop-link--workspaces nil)
  (mapc #'greenloop-link--take-back (mapcar #'car greenloop-link--questions))
  (run-hooks 'greenloop-link-lost-hook))

(defun greenloop-link--notified (_link method params)
  "Queue a notification METHOD with PARAMS."
  (if (eq method '$/cancelRequest)
      (greenloop-link--take-back (plist-get params :id))
    (when-let ((handler (alist-get method greenloop-link--handlers)))
      (greenloop-link--later handler params))))

(defun greenloop-link--requested (_link method params)
  "Take the sidecar's request METHOD with PARAMS."
  (unless (eq method 'approval/request)
    (jsonrpc-error :code -32601 :message (format "%s is not served" method)))
  (lambda (link id)
    (setq greenloop-link--questions
          (nconc greenloop-link--questions (list (list id link params))))
    (run-at-time 0 nil #'greenloop-link--ask)))

;;;; Requests

(defun greenloop-link-said (fault)
  "Return FAULT of an answer in words, its way out among them."
  (let ((way-out (plist-get (plist-get fault :data) :way_out))
        (message (plist-get fault :message)))
    (if (or (null way-out) (string-empty-p way-out) (string-search way-out message))
        message
      (format "%s (%s)" message way-out))))

(defun greenloop-link-tell (fault)
  "Tell the person of FAULT."
  (message "Greenloop: %s" (greenloop-link-said fault)))

(defun greenloop-link-call (method params then &optional else)
  "Send request METHOD with PARAMS; THEN gets the answer, ELSE the error."
  (jsonrpc-async-request
   (greenloop-link-ensure) method params
   :success-fn (lambda (answer) (greenloop-link--later then answer))
   :error-fn (lambda (fault) (greenloop-link--later (or else #'greenloop-link-tell) fault))
   :timeout nil))

(defun greenloop-link-wait (method params)
  "Send request METHOD with PARAMS, and return its answer.
A refusal becomes a `user-error' with its way out."
  (condition-case fault
      (jsonrpc-request (greenloop-link-ensure) method params :timeout greenloop-patience)
    (jsonrpc-error
     (user-error "Greenloop: %s"
                 (greenloop-link-said
                  (list :message (or (alist-get 'jsonrpc-error-message (cddr fault)) "no answer")
                        :data (alist-get 'jsonrpc-error-data (cddr fault))))))))

;;;; Questions of the sidecar

(defun greenloop-link--take-back (id)
  "Take the question ID back: nobody waits for its answer any more."
  (setq greenloop-link--questions (assoc-delete-all id greenloop-link--questions))
  (when (and (equal id greenloop-link--asking) (active-minibuffer-window))
    (run-at-time 0 nil #'abort-recursive-edit)))

(defun greenloop-link--ask ()
  "Ask the person the oldest question, and answer the sidecar.
Whatever the person does not say is a no."
  (when (and greenloop-link--questions (not greenloop-link--asking))
    (pcase-let* ((`(,id ,link ,params) (car greenloop-link--questions))
                 (greenloop-link--asking id)
                 (enable-recursive-minibuffers t)
                 (approved (condition-case nil
                               (save-window-excursion (funcall greenloop-approve-function params))
                             (quit nil))))
      (if (not (assoc id greenloop-link--questions))
          (message "Greenloop: the question was taken back")
        (setq greenloop-link--questions (assoc-delete-all id greenloop-link--questions))
        (when (jsonrpc-running-p link)
          (jsonrpc-connection-send
           link :id id :result (list :approved (if approved t :json-false))))))
    (when greenloop-link--questions
      (run-at-time 0 nil #'greenloop-link--ask))))

(defun greenloop-link-approved-p (params)
  "Show the tool and its arguments in PARAMS as they are, and ask for approval."
  (with-current-buffer (get-buffer-create "*Greenloop approval*")
    (let ((inhibit-read-only t))
      (erase-buffer)
      (insert (format "Tool: %s\nWhy: %s\nArguments:\n"
                      (plist-get params :tool) (plist-get params :why)))
      (cl-loop for (name value) on (plist-get params :arguments) by #'cddr
               do (insert (format "  %s: %s\n" (substring (symbol-name name) 1)
                                  (if (stringp value) value (json-serialize
                                                             value :null-object nil
                                                             :false-object :json-false))))))
    (goto-char (point-min))
    (special-mode)
    (display-buffer (current-buffer)))
  (yes-or-no-p (format "Greenloop: may the tool %s be run? " (plist-get params :tool))))

;;;; Workspaces

(defun greenloop-link-folder (&optional file)
  "Return the folder of the project of FILE, or of the current buffer."
  (let ((folder (if file (file-name-directory file) default-directory)))
    (when (file-remote-p folder)
      (user-error "Greenloop: %s is on another machine; run Emacs there" folder))
    (file-truename
     (if-let ((project (project-current nil folder)))
         (project-root project)
       folder))))

(defun greenloop-link-workspace (&optional file)
  "Return the workspace of FILE or the current buffer if it is open, else nil."
  (and greenloop-link--workspaces
       (not (file-remote-p (or file default-directory)))
       (cdr (assoc (greenloop-link-folder file) greenloop-link--workspaces))))

(defun greenloop-link-workspace-named (name)
  "Return the open workspace whose name is NAME."
  (cdr (cl-find name greenloop-link--workspaces
                :key (lambda (entry) (greenloop-workspace-name (cdr entry))) :test #'equal)))

(defun greenloop-link-workspaces ()
  "Return the open workspaces."
  (mapcar #'cdr greenloop-link--workspaces))

(defun greenloop-link--opened (folder state)
  "Remember that the workspace of FOLDER is open, in STATE; return it."
  (let ((workspace (or (cdr (assoc folder greenloop-link--workspaces))
                       (greenloop-link--workspace))))
    (setf (alist-get folder greenloop-link--workspaces nil nil #'equal) workspace
          (greenloop-workspace-name workspace) (plist-get state :workspace)
          (greenloop-workspace-root workspace)
          (file-name-as-directory (file-truename (plist-get state :root)))
          (greenloop-workspace-trusted workspace) (eq t (plist-get state :trusted))
          (greenloop-workspace-toolchain workspace) (plist-get state :toolchain))
    workspace))

(defun greenloop-link-open (then &optional file)
  "Open the workspace of FILE or the current buffer; THEN gets it."
  (let ((folder (greenloop-link-folder file)))
    (greenloop-link-call
     'workspace/open (list :path (directory-file-name folder))
     (lambda (state) (funcall then (greenloop-link--opened folder state))))))

(defun greenloop-link-need-workspace ()
  "Return the workspace of the current buffer, opened now if need be.
Asks once for trust, where nothing may be built yet."
  (let* ((folder (greenloop-link-folder))
         (workspace
          (or (and (greenloop-link-live-p) (cdr (assoc folder greenloop-link--workspaces)))
              (greenloop-link--opened
               folder (greenloop-link-wait
                       'workspace/open (list :path (directory-file-name folder)))))))
    (unless (or (greenloop-workspace-trusted workspace) (greenloop-workspace-asked workspace))
      (setf (greenloop-workspace-asked workspace) t)
      (when (yes-or-no-p (format "Greenloop: may %s be built and run, in a sandbox? "
                                 (greenloop-workspace-root workspace)))
        (greenloop-link-trust workspace t)))
    workspace))

(defun greenloop-link-trust (workspace trusted)
  "Say whether WORKSPACE may be built and run: TRUSTED."
  (greenloop-link--opened
   (car (rassq workspace greenloop-link--workspaces))
   (greenloop-link-wait 'workspace/trust
                        (list :workspace (greenloop-workspace-name workspace)
                              :trusted (if trusted t :json-false)))))

(provide 'greenloop-link)
;;; greenloop-link.el ends here
