;;; greenloop-build.el --- Whether the build is green  -*- lexical-binding: t; -*-
;;; Commentary:
;; The minor mode of source buffers: build status in the mode line, build
;; errors by `flymake', and a hint to the sidecar after a save.
;;; Code:
(require 'flymake)
(require 'greenloop-link)
(require 'greenloop-text)

(defvar-local greenloop-build--report nil "How this buffer tells `flymake' of problems.")

(define-minor-mode greenloop-mode
  "Follow this buffer's workspace: build status, build errors.
Starts Greenloop's sidecar if it does not run."
  :lighter (:eval (greenloop-build-lighter)) :group 'greenloop
  (pcase-dolist (`(,hook ,function) '((after-save-hook greenloop-build--saved)
                                      (flymake-diagnostic-functions greenloop-build-flymake)))
    (if greenloop-mode (add-hook hook function nil t) (remove-hook hook function t)))
  (when greenloop-mode (flymake-mode) (greenloop-link-open)))

;;;###autoload
(define-globalized-minor-mode greenloop-global-mode greenloop-mode greenloop-build--turn-on :group 'greenloop)

(defun greenloop-build--turn-on ()
  "Turn the mode on in a file's buffer of a project that has a `greenloop.toml'."
  (when (and buffer-file-name (not (file-remote-p buffer-file-name))
             (locate-dominating-file buffer-file-name "greenloop.toml"))
    (greenloop-mode)))

(defun greenloop-build-lighter ()
  "Return the build's state for the mode line."
  (let* ((workspace (greenloop-link-workspace))
         (status (and workspace (greenloop-workspace-status workspace)))
         (state (or (plist-get status :state) (if workspace "unknown" "off"))))
    (propertize (concat " Greenloop:" state
                        (if (equal state "red") (format " %d" (plist-get status :errors)) ""))
                'face (pcase state ("green" 'success) ("red" 'error) ("fault" 'warning))
                'help-echo (plist-get status :note))))

(defun greenloop-build--changed (status)
  "Take a STATUS of a workspace."
  (when-let ((workspace (cl-find (plist-get status :workspace) (mapcar #'cdr greenloop-link--workspaces)
                                 :key #'greenloop-workspace-name :test #'equal)))
    (let ((before (plist-get (greenloop-workspace-status workspace) :state)))
      (setf (greenloop-workspace-status workspace) status)
      (dolist (buffer (buffer-list))
        (when (buffer-local-value 'greenloop-mode buffer) (with-current-buffer buffer (greenloop-build--diagnose))))
      (force-mode-line-update t)
      (pcase (list before (plist-get status :state))
        (`(,_ "fault") (message "Greenloop: %s" (plist-get status :note)))
        ((and `(,old "red") (guard (not (equal old "red"))))
         (message "Greenloop: the build is red, errors: %d" (plist-get status :errors)))
        (`(,(or "red" "checking") "green") (message "Greenloop: the build is green"))))))

(greenloop-link-on 'status/changed #'greenloop-build--changed)

(defun greenloop-build--lost (folders)
  "Show that nobody follows FOLDERS, and soon let those with buffers be followed.
What was not open is not tried again: a program that fails is started once."
  (force-mode-line-update t)
  (run-at-time 1 nil (lambda ()
                       (dolist (buffer (buffer-list))
                         (when (buffer-local-value 'greenloop-mode buffer)
                           (with-current-buffer buffer
                             (when (member (greenloop-link--folder) folders) (greenloop-link-open))
                             (setq folders (remove (greenloop-link--folder) folders))))))))

(add-hook 'greenloop-link-lost-functions #'greenloop-build--lost)

(defun greenloop-build--saved ()
  "Tell the sidecar that this buffer was saved."
  (when-let ((workspace (greenloop-link-workspace))
             (path (greenloop-text-path (greenloop-workspace-root workspace))))
    (jsonrpc-notify (greenloop-link-ensure) 'file/saved
                    (list :workspace (greenloop-workspace-name workspace) :path path))))

(defun greenloop-build-flymake (report &rest _)
  "A backend of `flymake': REPORT gets the build's errors in this buffer."
  (setq greenloop-build--report report)
  (greenloop-build--diagnose))

(defun greenloop-build--diagnose ()
  "Report the build's problems in this buffer."
  (when greenloop-build--report
    (let* ((workspace (greenloop-link-workspace))
           (path (and workspace (greenloop-text-path (greenloop-workspace-root workspace)))))
      (funcall greenloop-build--report
               (cl-loop for problem across (or (and path (plist-get (greenloop-workspace-status workspace) :problems))
                                               [])
                        when (and (equal path (plist-get problem :path)) (plist-get problem :range))
                        collect (greenloop-build--diagnostic problem))
               :region (cons (point-min) (point-max))))))

(defun greenloop-build--diagnostic (problem)
  "Return PROBLEM as `flymake' has it."
  (let ((start (greenloop-text-point (plist-get (plist-get problem :range) :start)))
        (end (greenloop-text-point (plist-get (plist-get problem :range) :end))))
    (flymake-make-diagnostic (current-buffer) start (max end (min (1+ start) (point-max)))
                             (pcase (plist-get problem :severity) ("error" :error) ("warning" :warning) (_ :note))
                             (plist-get problem :message))))

(provide 'greenloop-build)
;;; greenloop-build.el ends here
