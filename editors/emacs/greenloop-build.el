;;; greenloop-build.el --- Whether the build is green  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; The minor mode of source buffers: build status in the mode line, build
;; errors by `flymake', and a hint to the sidecar after a save.

;;; Code:

(require 'cl-lib)
(require 'flymake)
(require 'greenloop-link)
(require 'greenloop-text)

(defvar-local greenloop-build--report nil "How this buffer tells `flymake' of problems.")

(defvar greenloop-mode-map (make-sparse-keymap)
  "Keys of buffers that Greenloop follows; bind `greenloop-menu' here or globally.")

;;;###autoload
(define-minor-mode greenloop-mode
  "Follow this buffer's workspace: build status, build errors.
Starts Greenloop's sidecar if it does not run."
  :lighter (:eval (greenloop-build-lighter))
  (if greenloop-mode
      (progn
        (add-hook 'after-save-hook #'greenloop-build--saved nil t)
        (add-hook 'flymake-diagnostic-functions #'greenloop-build-flymake nil t)
        (if (greenloop-link-workspace)
            (flymake-mode)
          (greenloop-link-open (greenloop-build--follow (current-buffer)))))
    (remove-hook 'after-save-hook #'greenloop-build--saved t)
    (remove-hook 'flymake-diagnostic-functions #'greenloop-build-flymake t)))

(defun greenloop-build--follow (buffer)
  "Return what lets BUFFER show the state of its workspace once it is open."
  (lambda (_workspace)
    (when (buffer-live-p buffer)
      (with-current-buffer buffer (flymake-mode))
      (force-mode-line-update t))))

;;;###autoload
(define-globalized-minor-mode greenloop-global-mode greenloop-mode greenloop-build--turn-on
  :group 'greenloop)

(defun greenloop-build--turn-on ()
  "Turn the mode on in a file's buffer of a project that has a `greenloop.toml'."
  (when (and buffer-file-name
             (not (file-remote-p buffer-file-name))
             (locate-dominating-file buffer-file-name "greenloop.toml"))
    (greenloop-mode)))

(defun greenloop-build-lighter ()
  "Return the build's state for the mode line."
  (let* ((workspace (greenloop-link-workspace))
         (status (and workspace (greenloop-workspace-status workspace)))
         (state (or (plist-get status :state) (if workspace "unknown" "off")))
         (errors (or (plist-get status :errors) 0)))
    (propertize (concat " Greenloop:" state (if (and (equal state "red") (> errors 0)) (format " %d" errors) ""))
                'face (pcase state ("green" 'success) ("red" 'error) ("fault" 'warning))
                'help-echo (plist-get status :note))))

(defun greenloop-build--changed (status)
  "Take a STATUS of a workspace."
  (when-let ((workspace (greenloop-link-workspace-named (plist-get status :workspace))))
    (let ((before (plist-get (greenloop-workspace-status workspace) :state))
          (state (plist-get status :state)))
      (setf (greenloop-workspace-status workspace) status)
      (dolist (buffer (buffer-list))
        (when (and (buffer-local-value 'greenloop-mode buffer)
                   (greenloop-text-path (greenloop-workspace-root workspace) buffer))
          (with-current-buffer buffer (greenloop-build--diagnose workspace))))
      (force-mode-line-update t)
      (cond ((equal state "fault") (message "Greenloop: %s" (plist-get status :note)))
            ((and (equal state "red") (not (equal before "red")))
             (message "Greenloop: the build is red: %d errors" (plist-get status :errors)))
            ((and (equal state "green") (equal before "red")) (message "Greenloop: the build is green"))))))

(greenloop-link-on 'status/changed #'greenloop-build--changed)

(defun greenloop-build--lost ()
  "Show that there is no connection."
  (force-mode-line-update t))

(add-hook 'greenloop-link-lost-hook #'greenloop-build--lost)

(defun greenloop-build--saved ()
  "Tell the sidecar that this buffer was saved."
  (when-let ((workspace (and (greenloop-link-live-p) (greenloop-link-workspace)))
             (path (greenloop-text-path (greenloop-workspace-root workspace))))
    (jsonrpc-notify (greenloop-link-ensure) 'file/saved
                    (list :workspace (greenloop-workspace-name workspace) :path path))))

;;;; Build errors

(defun greenloop-build-flymake (report &rest _)
  "A backend of `flymake': REPORT gets the build's errors in this buffer."
  (setq greenloop-build--report report)
  (if-let ((workspace (greenloop-link-workspace)))
      (greenloop-build--diagnose workspace)
    (funcall report nil)))

(defun greenloop-build--diagnose (workspace)
  "Report what the build of WORKSPACE says of this buffer."
  (when greenloop-build--report
    (let ((path (greenloop-text-path (greenloop-workspace-root workspace))))
      (funcall
       greenloop-build--report
       (cl-loop for problem across (or (plist-get (greenloop-workspace-status workspace) :problems) [])
                when (and path (equal path (plist-get problem :path)) (plist-get problem :range))
                collect (greenloop-build--diagnostic problem))
       :region (cons (point-min) (point-max))))))

(defun greenloop-build--diagnostic (problem)
  "Return PROBLEM as `flymake' has it."
  (let* ((range (plist-get problem :range))
         (start (greenloop-text-point (plist-get range :start)))
         (end (greenloop-text-point (plist-get range :end))))
    (flymake-make-diagnostic (current-buffer) start (max end (min (1+ start) (point-max)))
                             (pcase (plist-get problem :severity)
                               ("error" :error) ("warning" :warning) (_ :note))
                             (plist-get problem :message))))

(defun greenloop-build-seen (workspace)
  "Return the errors that the person sees in WORKSPACE, those at point first.
They are those that `flymake' shows here, from all of its backends, and what
the build says of other files."
  (let* ((path (greenloop-text-path (greenloop-workspace-root workspace)))
         (here (cl-loop for one in (and path (bound-and-true-p flymake-mode) (flymake-diagnostics))
                        collect (list :path path
                                      :range (list :start (greenloop-text-position (flymake-diagnostic-beg one))
                                                   :end (greenloop-text-position (flymake-diagnostic-end one)))
                                      :severity (pcase (flymake-diagnostic-type one)
                                                  ((or :error 'eglot-error) "error")
                                                  ((or :warning 'eglot-warning) "warning")
                                                  (_ "info"))
                                      :message (flymake-diagnostic-text one))))
         (built (append (plist-get (greenloop-workspace-status workspace) :problems) nil))
         (all (append here (if here (cl-remove path built :key (lambda (one) (plist-get one :path)) :test #'equal)
                             built)))
         (errors (cl-remove "error" all :key (lambda (one) (plist-get one :severity)) :test-not #'equal))
         (line (line-number-at-pos nil t)))
    (vconcat
     (cl-stable-sort errors #'<
                     :key (lambda (one)
                            (let ((range (plist-get one :range)))
                              (cond ((not (and range (equal path (plist-get one :path)))) 2)
                                    ((<= (1+ (plist-get (plist-get range :start) :line)) line
                                         (1+ (plist-get (plist-get range :end) :line)))
                                     0)
                                    (t 1))))))))

(provide 'greenloop-build)
;;; greenloop-build.el ends here
